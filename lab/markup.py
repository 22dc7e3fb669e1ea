"""Writes elements of HTML and SVG: names and values are escaped in one place."""

from __future__ import annotations

from html import escape

VOID = ("rect", "line", "path", "circle", "i")  # may be empty


class Markup(str):
    """Text that is markup already."""


def element(name: str, *content: object, **attributes: object) -> Markup:
    """`element("td", 5, class_="n")` is `<td class="n">5</td>`; content that is no Markup is escaped.

    An attribute's trailing underscore is dropped, its other ones become dashes; False and None leave it out.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    inner = "".join(one if isinstance(one, Markup) else escape(_text(one)) for one in content)
    if not inner and name in VOID[:4]:
        return Markup(f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{inner}</{name}>")


def joined(parts: object) -> Markup:
    """Markup of a list of it."""
    return Markup("".join(parts))  # type: ignore[arg-type]


def _text(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
