"""The page's colours can be told apart by people with the three common deficiencies of colour vision, and be read.

Deficiencies are simulated with the matrices of Machado, Oliveira and Fernandes (2009) at full severity; differences
are CIEDE2000 (Sharma, Wu and Dalal 2005), of which about 2 is the least that is seen side by side.
"""

import math
import re
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

import pipelines.report
from pipelines.report import words

STYLE = (Path(pipelines.report.__file__).parent / "templates" / "style.css").read_text()
VISIONS = {
    "common": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
STATES = ("cut", "raise", "hold", "frozen")
HEAT = tuple(f"h{number}" for number in range(7))
SURELY, CLEARLY = 10, 5


def palettes() -> dict[str, dict[str, str]]:
    """The colours by name in light, in the dark and on paper, each over those that it replaces."""
    light, dark, paper = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)
    )
    return {"light": light, "dark": light | dark, "paper": light | paper}


def linear(colour: str) -> np.ndarray:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    values = np.array([int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str) -> tuple[float, float, float]:
    seen = np.clip(VISIONS[vision] @ linear(colour), 0, 1)
    ratio = TO_XYZ @ seen / WHITE
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return float(116 * y - 16), float(500 * (x - y)), float(200 * (y - z))


def ciede2000(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    grey = 1.5 - 0.5 * math.sqrt(mean_c**7 / (mean_c**7 + 25**7))
    c1, c2 = math.hypot(grey * a1, b1), math.hypot(grey * a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, grey * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if not c1 * c2 else (h2 - h1 + 180) % 360 - 180
    d_hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    hue = h1 + h2 if not c1 * c2 else (h1 + turn / 2) % 360
    t = (
        1 - 0.17 * math.cos(math.radians(hue - 30)) + 0.24 * math.cos(math.radians(2 * hue))
        + 0.32 * math.cos(math.radians(3 * hue + 6)) - 0.20 * math.cos(math.radians(4 * hue - 63))
    )  # fmt: skip
    s_light = 1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2)
    s_chroma, s_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotation = -2 * math.sqrt(chroma**7 / (chroma**7 + 25**7))
    rotation *= math.sin(math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2))))
    parts = (l2 - l1) / s_light, (c2 - c1) / s_chroma, d_hue / s_hue
    return math.sqrt(sum(part**2 for part in parts) + rotation * parts[1] * parts[2])


def contrast(one: str, other: str) -> float:
    """WCAG 2: 1 to 21."""
    brighter, darker = sorted((float(TO_XYZ[1] @ linear(colour)) for colour in (one, other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [  # pairs 1, 4, 7 and 25 of the published test data
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)
def test_the_difference_is_the_published_one(one, other, expected):
    assert ciede2000(one, other) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("light", ["light", "dark", "paper"])
def test_states_classes_and_lines_can_be_told_apart(light, vision):
    colours = {name: lab(colour, vision) for name, colour in palettes()[light].items()}
    groups = {
        SURELY: [*combinations(STATES, 2), ("line", "second"), *combinations(("c0", "c1", "c2", "c3"), 2)],
        CLEARLY: [*pairwise(HEAT)],
    }
    near = {
        (one, other): round(found, 1)
        for least, pairs in groups.items()
        for one, other in pairs
        if (found := ciede2000(colours[one], colours[other])) < least
    }
    assert near == {}


@pytest.mark.parametrize("light", ["light", "dark", "paper"])
def test_coloured_text_stands_out_from_what_is_behind_it(light):
    colours = palettes()[light]
    pairs = [
        (text, behind)
        for text in (*STATES, "ink", "muted", "link", "sell", "buy")
        for behind in ("paper", "card")
    ]  # fmt: skip
    pairs += [("on-strong", "h0"), ("on-strong", "h6"), ("on-warm", "h5"), ("warn-ink", "warn-paper")]
    pairs += [("on-weak", behind) for behind in ("h1", "h2", "h3", "h4", "unknown")]
    weak = {pair: round(found, 2) for pair in pairs if (found := contrast(*(colours[name] for name in pair))) < 4.5}
    assert weak == {}


def test_every_state_has_a_shape_and_its_name_beside_its_colour():
    assert set(words.STATE_KINDS) == set(words.STATES)
    assert set(words.STATE_KINDS.values()) == set(words.SHAPES) == set(STATES)
    assert len(set(words.SHAPES.values())) == len(words.SHAPES)
