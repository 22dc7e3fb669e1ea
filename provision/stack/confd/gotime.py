"""Go's time.Time as far as a template can ask for it: `{{datetime.Format "2006-01-02"}}`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# The longest first; a short name is one only where no lower-case letter follows (Jan, but not Jane).
_ELEMENT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|-07:00:00|-07:00|-070000|-0700|-07"
    r"|Z07:00:00|Z07:00|Z070000|Z0700|Z07|002|__2|_2(?!006)|01|02|03|04|05|06|15|PM|pm"
    r"|[.,](?:0+|9+)(?![0-9])|1|2|3|4|5"
)


@dataclass(frozen=True)
class Named:
    """A month or a day of the week: a number that is printed as its name."""

    number: int
    name: str
    go_type: ClassVar[str] = "time.Month"
    go_methods: ClassVar[Mapping[str, str]] = {"String": "__str__"}

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Moment:
    """A moment in the local time zone, or in UTC: nanoseconds since 1970."""

    nanoseconds: int
    utc: bool = False
    go_type: ClassVar[str] = "time.Time"
    go_methods: ClassVar[Mapping[str, str]] = {
        "Format": "format",
        "String": "__str__",
        "UTC": "in_utc",
        "Unix": "unix",
        "UnixNano": "unix_nano",
        "Year": "year",
        "Month": "month",
        "Day": "day",
        "Hour": "hour",
        "Minute": "minute",
        "Second": "second",
        "Weekday": "weekday",
        "YearDay": "day_of_year",
    }

    @classmethod
    def now(cls) -> Moment:
        return cls(time.time_ns())

    def in_utc(self) -> Moment:
        return Moment(self.nanoseconds, utc=True)

    def unix(self) -> int:
        return self.nanoseconds // 1_000_000_000

    def unix_nano(self) -> int:
        return self.nanoseconds

    def year(self) -> int:
        return self._zone().tm_year

    def month(self) -> Named:
        return Named(self._zone().tm_mon, _MONTHS[self._zone().tm_mon - 1])

    def day(self) -> int:
        return self._zone().tm_mday

    def hour(self) -> int:
        return self._zone().tm_hour

    def minute(self) -> int:
        return self._zone().tm_min

    def second(self) -> int:
        return self._zone().tm_sec

    def weekday(self) -> Named:
        number = (self._zone().tm_wday + 1) % 7  # Go's week begins on Sunday
        return Named(number, _DAYS[number - 1])

    def day_of_year(self) -> int:
        return self._zone().tm_yday

    def format(self, layout: str) -> str:
        """The moment written like Go's reference moment is in the layout."""
        zone = self._zone()
        return _ELEMENT.sub(lambda found: self._element(found.group(), zone), layout)

    def __str__(self) -> str:
        return self.format("2006-01-02 15:04:05.999999999 -0700 MST")

    def _zone(self) -> time.struct_time:
        return (time.gmtime if self.utc else time.localtime)(self.nanoseconds // 1_000_000_000)

    def _element(self, element: str, at: time.struct_time) -> str:
        if element[0] in ".,":
            return self._fraction(element)
        if element[0] in "Z-":
            return _offset(element, at.tm_gmtoff)
        if element == "MST" and self.utc:  # the system's name for it is GMT
            return "UTC"
        return _ELEMENTS[element](at)

    def _fraction(self, element: str) -> str:
        digits = f"{self.nanoseconds % 1_000_000_000:09d}"[: len(element) - 1]
        if element[1] == "9":
            digits = digits.rstrip("0")
        return element[0] + digits if digits else ""


def _offset(element: str, seconds: int) -> str:
    if element[0] == "Z" and seconds == 0:
        return "Z"
    colon = ":" if ":" in element else ""
    total = abs(seconds)
    text = f"{'-' if seconds < 0 else '+'}{total // 3600:02d}"
    if len(element) > 3:
        text += f"{colon}{total // 60 % 60:02d}"
    if len(element.replace(":", "")) > 5:
        text += f"{colon}{total % 60:02d}"
    return text


def _hour12(at: time.struct_time) -> int:
    return at.tm_hour % 12 or 12


_ELEMENTS: dict[str, Callable[[time.struct_time], str]] = {
    "January": lambda at: _MONTHS[at.tm_mon - 1],
    "Jan": lambda at: _MONTHS[at.tm_mon - 1][:3],
    "Monday": lambda at: _DAYS[at.tm_wday],
    "Mon": lambda at: _DAYS[at.tm_wday][:3],
    "MST": lambda at: at.tm_zone,
    "2006": lambda at: f"{at.tm_year:04d}",
    "06": lambda at: f"{at.tm_year % 100:02d}",
    "01": lambda at: f"{at.tm_mon:02d}",
    "1": lambda at: str(at.tm_mon),
    "02": lambda at: f"{at.tm_mday:02d}",
    "_2": lambda at: f"{at.tm_mday:2d}",
    "2": lambda at: str(at.tm_mday),
    "002": lambda at: f"{at.tm_yday:03d}",
    "__2": lambda at: f"{at.tm_yday:3d}",
    "15": lambda at: f"{at.tm_hour:02d}",
    "03": lambda at: f"{_hour12(at):02d}",
    "3": lambda at: str(_hour12(at)),
    "04": lambda at: f"{at.tm_min:02d}",
    "4": lambda at: str(at.tm_min),
    "05": lambda at: f"{at.tm_sec:02d}",
    "5": lambda at: str(at.tm_sec),
    "PM": lambda at: "PM" if at.tm_hour >= 12 else "AM",
    "pm": lambda at: "pm" if at.tm_hour >= 12 else "am",
}
