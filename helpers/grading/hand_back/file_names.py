"""Name the file of a student's page, safely on every system, whatever the student is called."""

import hashlib
import re
import unicodedata

_NAME_BYTES = 200
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL
)
_PUNCTUATION = frozenset(" -_.,'()@+&")


def feedback_name(student: str) -> str:
    """Name the file of a student's page.

    Different students get different files on every system, also where capitals do not count
    and accents are stored apart. A plain name is kept: small letters ("s1234567"), or if there is
    a space in it, words with a capital ("Ada Lovelace"). Any other is kept as far as it goes,
    with a few letters from its hash.

    Args:
        student: The name of the student's folder.

    Returns:
        A name of at most 200 bytes.

    Example:
        >>> [feedback_name(student) for student in ("José García", "../x", "ada", "Ada")]
        ['José García.html', '_x~d6b96a97d1.html', 'ada.html', 'Ada~99a563ab2f.html']
    """
    if _is_plain(student):
        return f"{student}.html"
    code = hashlib.sha256(student.encode("utf-8", errors="surrogatepass")).hexdigest()[:10]
    kept = unicodedata.normalize("NFC", student)
    kept = "".join(letter if _is_safe(letter) else "_" for letter in kept).lstrip(" .-")
    if _RESERVED.fullmatch(kept):
        kept = f"_{kept}"
    end = f"~{code}.html"
    short = kept.encode()[: _NAME_BYTES - len(end)].decode(errors="ignore")
    return f"{short}{end}"


def _is_plain(student: str) -> bool:
    """Whether a name can be kept; of the names that some system takes for the same, only one."""
    whole = unicodedata.normalize("NFC", _folded(student))
    return (
        student == (whole.title() if " " in whole else whole)
        and all(map(_is_safe, student))
        and student == student.strip(" .").lstrip("-")
        and 0 < len(student.encode()) <= _NAME_BYTES - len(".html")
        and not _RESERVED.fullmatch(student)
    )


def _folded(name: str) -> str:
    """Write a name without capitals and with its accents apart, as coarsely as any system."""
    apart = unicodedata.normalize("NFKD", name)
    return unicodedata.normalize("NFKD", apart.upper().casefold())


def _is_safe(letter: str) -> bool:
    category = unicodedata.category(letter)
    return letter in _PUNCTUATION or category[0] in "LM" or category == "Nd"
