"""The course library: theory, instruments and checks for gradients that vanish or explode."""
