"""Control characters in a text are shown, so that no terminal obeys them."""

from __future__ import annotations

_KEPT = "\n\t"
_SHOWN = (
    {code: 0x2400 + code for code in range(0x20) if chr(code) not in _KEPT}  # ESC becomes U+241B, and so on
    | {0x7F: 0x2421}
    | dict.fromkeys(range(128, 160), 65533)
)


def harmless(text: str) -> str:
    """Return ``text`` with a picture in place of every control character but line feeds and tabs.

    What a file, a label or a file's name holds may be made to move the cursor, to retitle the window, or to have the
    terminal type something.
    """
    return text.translate(_SHOWN)
