"""Keeps a folder like the photos that an API key may see. Run it again and again, as cron does:

BANDPICS=https://photos.example.org API_KEY=… python3 mirror.py FOLDER"""

import json
import os
import sys
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

API = os.environ["BANDPICS"].rstrip("/") + "/api/v1/"
SIZE = os.environ.get("SIZE", "fullsize")  # or thumb, small, tile, medium, original
# What was being written while a run asked is found by the next, which looks back this far.
OVERLAP = timedelta(seconds=int(os.environ.get("OVERLAP", "300")))


def get(url):
    request = Request(url)  # whose key is not sent on to the store that a download is found in
    request.add_unredirected_header("Authorization", f"Api-Key {os.environ['API_KEY']}")
    return urlopen(request, timeout=60)


def images(**query):
    url = f"{API}images/?{urlencode({'limit': 200, **query})}"
    while url:
        page = json.load(get(url))
        yield from page["results"]
        url = page["next"]


def mirror(folder):
    folder.mkdir(parents=True, exist_ok=True)
    state_file = folder / "state.json"
    state = json.loads(state_file.read_text()) if state_file.exists() else {"hashes": {}}
    hashes = state["hashes"]  # of the original behind each file: another one, another file
    started = parsedate_to_datetime(get(f"{API}images/?limit=1").headers["Date"])
    since = {"updated_since": state["since"]} if "since" in state else {}
    # First what is gone, then what is here: what came back is in both.
    for row in images(trashed="true", **since) if since else []:
        (folder / f"{row['id']}.jpg").unlink(missing_ok=True)
    for row in images(**since):
        file = folder / f"{row['id']}.jpg"
        if row["sha256"] is None or (file.exists() and hashes.get(row["id"]) == row["sha256"]):
            continue  # not ready yet, or here already
        try:
            file.write_bytes(get(f"{API}images/{row['id']}/variants/{SIZE}/").read())
        except HTTPError as error:
            if error.code != 404:
                raise
            continue  # gone in the meantime, as the next run is told
        hashes[row["id"]] = row["sha256"]
    state["since"] = datetime.isoformat(started - OVERLAP)
    state_file.write_text(json.dumps(state))


mirror(Path(sys.argv[1]))
