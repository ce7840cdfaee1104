"""What to do about a red or yellow check, by its name; told with the verdict and in the docs."""

from collections.abc import Mapping

REMEDIES: Mapping[str, str] = {
    "captured": "Do what stands beside each reason. Then wait for the hourly rescue, or type "
    "`spotify-pipeline run`: only what is missing is fetched.",
    "no_gaps": "Nothing brings that day back: Spotify tells only the present. It stays in "
    "`OPS.MISSED`, and here for a week.",
    "signed_in": "`spotify-pipeline login`",
    "odd_values": "Look at the column in the raw documents of that day. If Spotify changed its "
    "answers, a new release can read them, and the day can be rebuilt.",
    "readable": "Put the raw document back from a backup and materialize `lake/*` of that day "
    "again, and what comes after.",
    "pipe": "Do what stands beside each state or file; `spotify-pipeline doctor` tells the same.",
    "publishing": "Materialize `published/*` of that day and read why it fails.",
    "keys": "A fault of this pipeline: please report it, with the keys. `spotify-pipeline run "
    "--date <day> --reload` replaces the day's rows.",
    "rows": "`spotify-pipeline run --date <day> --reload` writes, loads and publishes the day "
    "anew.",
    "references": "A fault of this pipeline: please report it, with the ids.",
    "complete": "Rebuild the day: `spotify-pipeline run --date <day> --reload`. If it stays, "
    "please report it.",
    "volume": "Look at the playlist: was it really emptied or filled? Nothing else is wrong.",
    "fresh": "See `captured`: which playlist, why, and what to do.",
}
"""`<day>` stands for the day that the verdict names."""
