"""How a command says no: one sentence, and an exit code."""

import click


class Refused(click.ClickException):
    """Ends a command that has done nothing, with exit code 2."""

    exit_code = 2


class OneSentence(click.Group):
    """A group whose expected errors end in one sentence, not in a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error
