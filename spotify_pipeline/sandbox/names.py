"""Invented names, composed from word lists, and the awkward ones that break careless readers.

No real artist, album or song belongs here. Which thing gets which name is the library's business.
"""

from spotify_pipeline.sandbox.draw import Draw

AWKWARD = (
    "Rain, Salt, and Other Weather",
    'The "Quoted" Hour',
    '"',
    "First Line\nSecond Line",
    "Carriage\r\nReturn",
    "Back\\slash and \\n",
    "Ends in a Backslash\\",
    "Tab\tStop",
    "  Blanks at Both Ends  ",
    "NULL",
    "null",
    "\\N",
    "007",
    "🌙🎷 Night Shift 👩🏽‍🚀",
    "夜の灯台と紙の船",
    "قارب من ورق",
    "Полночный чайник",
)
"""Names that a CSV, a database or a loader is likely to damage."""

_ADJECTIVES = (
    "Amber", "Borrowed", "Brittle", "Clockwork", "Copper", "Crooked", "Drowsy", "Feathered",
    "Foggy", "Gentle", "Half-Painted", "Hollow", "Inky", "Lopsided", "Mossy", "Northbound",
    "Paper", "Patient", "Quiet", "Rusty", "Salted", "Tangled", "Umber", "Velvet", "Wandering",
)  # fmt: skip
_NOUNS = (
    "Almanac", "Balcony", "Compass", "Drawbridge", "Ferry", "Garden", "Harbour", "Kettle",
    "Lantern", "Letterbox", "Meadow", "Orchard", "Parade", "Postcard", "Quilt", "Radiator",
    "Sparrow", "Staircase", "Telescope", "Thimble", "Tideline", "Umbrella", "Viaduct", "Window",
)  # fmt: skip
_GIVEN = (
    "Ansel", "Brona", "Cosmin", "Delphie", "Edda", "Fenwick", "Ghislaine", "Hollis", "Ilka",
    "Jorun", "Kestrel", "Linnea", "Marlow", "Nuria", "Odalys", "Perrin", "Quillon", "Rosalba",
)  # fmt: skip
_SURNAMES = (
    "Applegarden", "Brasswhistle", "Coldwether", "Driftmoor", "Elderquist", "Fernhollow",
    "Gullbrand", "Hazelrigg-Oduya", "Ironpeel", "Juniperova", "Kettlesworth", "Lanternberg",
    "Mistlethorpe", "Nightingrove", "Oystercatch", "Pepperwhite", "Quillfeather", "Tarnhollow",
)  # fmt: skip
_ENSEMBLES = ("Collective", "Ensemble", "Orchestra", "Quartet", "Society", "Sound System")
_PLACES = ("Attic", "Café", "Cellar", "Greenhouse", "Kitchen", "Lighthouse", "Waiting Room")
_DOING = ("Counting", "Folding", "Forgetting", "Following", "Mending", "Painting", "Waking")
_MONTHS = ("January", "March", "May", "July", "September", "November")


def artist_name(draw: Draw) -> str:
    """A person, a band or an ensemble."""
    adjective, noun = draw.pick(_ADJECTIVES), draw.pick(_NOUNS)
    given, surname = draw.pick(_GIVEN), draw.pick(_SURNAMES)
    return draw.pick(
        (
            f"{given} {surname}",
            f"{given} & the {adjective} {noun}s",
            f"The {adjective} {noun} {draw.pick(_ENSEMBLES)}",
        )
    )


def album_name(draw: Draw) -> str:
    """What could stand on a sleeve."""
    adjective, noun = draw.pick(_ADJECTIVES), draw.pick(_NOUNS)
    place, month = draw.pick(_PLACES), draw.pick(_MONTHS)
    return draw.pick(
        (
            f"{adjective} {noun}",
            f"{noun}s for {month}",
            f"Live from the {place}",
            f"{adjective} Songs from the {place}",
        )
    )


def song_name(draw: Draw) -> str:
    """What could be sung."""
    adjective, noun = draw.pick(_ADJECTIVES), draw.pick(_NOUNS)
    doing, month = draw.pick(_DOING), draw.pick(_MONTHS)
    return draw.pick(
        (
            f"{adjective} {noun}",
            f"{doing} the {noun}",
            f"{noun}, {adjective}",
            f"{doing} {month} (Reprise)",
            f"One {adjective} {noun} - {draw.pick(_PLACES)} Session",
        )
    )


def show_name(draw: Draw) -> str:
    """What a podcast could be called."""
    return f"The {draw.pick(_NOUNS)} Hour"


def episode_name(draw: Draw) -> str:
    """What an episode of a podcast could be called."""
    return f"{draw.between(1, 90)}: {draw.pick(_DOING)} the {draw.pick(_NOUNS)}"
