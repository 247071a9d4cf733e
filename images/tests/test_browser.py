"""The whole way, as its people go it: a link, a phone, real photos, the gallery.

Everything is real: Chromium, the web server, the worker, Postgres, Redis and S3.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3
from playwright.sync_api import expect

from images.photofile import rendering
from images.photofile.rendering import verify
from images.tests import browsers, drawn_pictures

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
PHOTOS = Path(os.environ.get("BANDPICS_PHOTOS", "../shared/photos"))
TEN = [
    "cameras/jpg/gps/DSCN0010.jpg",
    "cameras/jpg/gps/DSCN0042.jpg",
    "cameras/jpg/mobile/jolla.jpg",
    "cameras/jpg/mobile/HMD_Nokia_8.3_5G.jpg",
    "cameras/jpg/hdr/iphone_hdr_YES.jpg",
    "cameras/jpg/Canon_40D.jpg",
    "cameras/jpg/exif-org/fujifilm-finepix40i.jpg",
    "cameras/heic/IMG_5195.HEIC",
    "cameras/heic/mobile/iphone_13_pro_max.HEIC",
    "orientation/Portrait_6.jpg",
]
READY = "Arrived and ready"


@pytest.fixture
def open_page(chromium):
    """Opens pages that may complain about nothing: no script error, no blocked resource."""
    with browsers.opening(chromium, lambda said: said.type == "error", viewport=PHONE) as open_:
        yield open_


@pytest.fixture
def sign_in(open_page, running_stack):
    def sign_in_(path="/", **options):
        page = open_page(f"{running_stack['web_url']}/login/?next={path}", **options)
        page.get_by_label("E-mail").fill(running_stack["admin_email"])
        page.get_by_label("Password").fill(running_stack["admin_password"])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(running_stack["web_url"] + path)
        return page

    return sign_in_


def write(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def test_from_the_link_to_the_gallery(running_stack, open_page, sign_in, tmp_path):
    stage = {"taken_at": "2026:06:21 22:45:00", "offset": "+02:00", "lat": 48.2082, "lon": 16.3738}
    files = [
        write(
            tmp_path,
            "stage.jpg",
            drawn_pictures.jpeg(seed=11, orientation=6, stuffed=True, **stage),
        ),
        write(tmp_path, "crowd.png", drawn_pictures.png(seed=12)),
        write(tmp_path, "IMG_0001.HEIC", drawn_pictures.heic(seed=13)),
        write(tmp_path, "notes.jpg", b"these are my notes, not a picture"),
    ]
    page = open_page(running_stack["upload_link"])
    expect(page.get_by_role("heading", level=1)).to_have_text("Summer concert")
    page.get_by_label("Your name").fill("Cleo from the front row")
    page.locator("input[type=file]").set_input_files(files)

    rows = page.locator("#now-list .photo")
    for name in ["stage.jpg", "crowd.png", "IMG_0001.HEIC"]:
        expect(rows.filter(has_text=name).first).to_contain_text(READY, timeout=30_000)
    expect(rows.filter(has_text="notes.jpg").first).to_contain_text("not a picture")
    expect(page.locator("#summary-count")).to_contain_text("3 of 4 arrived")

    # Coming back to the link shows what was sent; the browser remembers the device.
    page.reload()
    expect(
        page.locator("#previous-uploads-list .photo").filter(has_text="stage.jpg").first
    ).to_be_visible()

    # Somebody else on the same shared link sees none of it.
    other = open_page(running_stack["upload_link"])
    expect(other.get_by_role("heading", level=1)).to_be_visible()
    expect(other.locator("#previous-uploads-list .photo")).to_have_count(0)

    member = sign_in(viewport=DESKTOP)
    member.get_by_role("link", name="Summer concert").first.click()
    expect(member.get_by_role("heading", name="June 21, 2026")).to_be_visible()
    pictures = member.locator("main img")
    for index in range(pictures.count()):
        pictures.nth(index).scroll_into_view_if_needed()
        expect(pictures.nth(index)).to_have_js_property("complete", True)
        assert pictures.nth(index).evaluate("img => img.naturalWidth") > 0

    member.get_by_role("link", name="Cleo from the front row, 21 June 2026 22:45").click()
    member.get_by_role("link", name="About this photo").click()
    member.wait_for_url("**/images/**")
    facts = member.get_by_label("About this photo")
    expect(facts).to_contain_text("21 June 2026, 20:45")
    expect(facts).to_contain_text("The camera said: 22:45:00, UTC+02:00")
    expect(facts).to_contain_text("48.20820")
    expect(facts).to_contain_text("16.37380")

    # Upright, and nothing but pixels.
    full = member.locator(".picture img:not(.placeholder)")
    shown = tmp_path / "shown.jpg"
    shown.write_bytes(urllib3.request("GET", full.get_attribute("src")).data)
    verify.assert_metadata_free(shown)
    assert drawn_pictures.SECRET not in shown.read_bytes()
    header = rendering.inspect(shown)
    assert (header.width, header.height) == (1200, 800)


@pytest.mark.long  # test_gallery.py reads the same srcset
def test_a_phone_of_two_pixels_to_the_point_loads_tiles(
    running_stack, open_page, sign_in, tmp_path
):
    data = drawn_pictures.jpeg(seed=14, width=1600, height=1200, taken_at="2026:06:20 20:14:00")
    page = open_page(running_stack["upload_link"])
    page.locator("input[type=file]").set_input_files(write(tmp_path, "wide.jpg", data))
    expect(page.locator("#now-list .photo")).to_contain_text(READY, timeout=30_000)
    home = sign_in(viewport=PHONE)
    gallery = home.get_by_role("link", name="Summer concert").first.get_attribute("href")
    for density, size in {1: "thumb", 2: "tile", 3: "tile"}.items():
        # Not by way of home, whose cover is a tile: a browser that has it takes it again.
        phone = sign_in(gallery, viewport=PHONE, device_scale_factor=density)
        picture = phone.get_by_role("img", name="20 June 2026 20:14")
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert f"/{size}/" in picture.evaluate("img => img.currentSrc")


@pytest.mark.long  # test_compare_exif.py reads the same files
def test_ten_real_photos_arrive_with_their_true_exif(running_stack, open_page, sign_in, tmp_path):
    """Of the folder of camera files, where there is one; elsewhere drawn ones take their place."""
    truth = _truth() or _drawn(tmp_path)
    files = list(truth)
    page = open_page(running_stack["upload_link"])
    page.locator("input[type=file]").set_input_files(files)
    ready = page.locator("#now-list .photo").filter(has_text=READY)
    expect(ready).to_have_count(10, timeout=90_000)

    member = sign_in()
    answer = member.request.get(f"{running_stack['web_url']}/api/v1/images/?limit=200").json()
    images = {image["original_filename"]: image for image in answer["results"]}
    for file in files:
        image = images[file.name]
        assert image["status"] == "done"
        _assert_exif_is(truth[file], image)
        for name, variant in image["variants"].items():
            path = tmp_path / f"{file.stem}-{name}.jpg"
            path.write_bytes(urllib3.request("GET", variant["url"]).data)
            verify.assert_metadata_free(path)
    _assert_exiftool_finds_nothing(tmp_path, "*-*.jpg")


def test_a_file_over_16_mb_goes_in_parts(running_stack, open_page, tmp_path):
    data = drawn_pictures.jpeg(seed=21) + bytes(20 * 1024 * 1024)
    page = open_page(running_stack["upload_link"])
    put = []
    page.on("request", lambda request: put.append(request.url) if request.method == "PUT" else None)
    page.locator("input[type=file]").set_input_files(write(tmp_path, "large.jpg", data))
    expect(page.locator("#now-list .photo")).to_contain_text(READY, timeout=60_000)
    assert sum("partNumber=" in url for url in put) == 3
    # The bytes go to the store, never through the web server.
    assert {urlsplit(url).netloc for url in put} == {
        urlsplit(running_stack["s3_endpoint_url"]).netloc
    }


@pytest.mark.long  # test_upload_faults.py shows it by two tabs
def test_the_same_photo_again_is_already_here(running_stack, open_page, tmp_path):
    file = write(tmp_path, "twice.jpg", drawn_pictures.jpeg(seed=31))
    page = open_page(running_stack["upload_link"])
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator("#now-list .photo")).to_contain_text(READY, timeout=30_000)
    page.reload()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator("#now-list .photo")).to_contain_text("Already here", timeout=30_000)


def test_a_dead_link_says_whom_to_ask(running_stack, chromium):
    page = chromium.new_page(viewport=PHONE)
    answer = page.goto(f"{running_stack['web_url']}/i/{'A' * 43}/")
    assert answer.status == 403
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert "ask" in page.locator("main").inner_text().lower()
    page.close()


def test_swagger_opens_without_a_blocked_resource(running_stack, open_page):
    page = open_page(f"{running_stack['web_url']}/api/v1/docs/", viewport=DESKTOP)
    expect(page.get_by_text("/api/v1/uploads/").first).to_be_visible()


def _drawn(folder: Path) -> dict[Path, dict[str, object]]:
    """Ten drawn photos and what exiftool would say of them."""
    files = {}
    for n in range(10):
        data = drawn_pictures.jpeg(
            seed=100 + n,
            make=f"Maker {n}",
            iso=100 + n,
            taken_at=f"2026:06:21 20:0{n}:00",
            offset="-03:30",
            lat=-33.5 - n,
            lon=151.25 + n,
            orientation=1 + n % 8,
        )
        files[write(folder, f"drawn{n}.jpg", data)] = {
            "EXIF:ExifIFD:DateTimeOriginal": f"2026:06:21 20:0{n}:00",
            "EXIF:ExifIFD:OffsetTimeOriginal": "-03:30",
            "EXIF:IFD0:Make": f"Maker {n}",
            "EXIF:ExifIFD:ISO": 100 + n,
            "EXIF:IFD0:Orientation": 1 + n % 8,
            "Composite:GPSLatitude": -33.5 - n,
            "Composite:GPSLongitude": 151.25 + n,
        }
    return files


def _truth() -> dict[Path, dict[str, object]]:
    if not (PHOTOS / "truth.json").exists():
        return {}
    rows = json.loads((PHOTOS / "truth.json").read_text())
    by_name = {row["SourceFile"].removeprefix("./"): row for row in rows}
    return {PHOTOS / name: by_name[name] for name in TEN}


def _assert_exif_is(expected: dict[str, object], image: dict[str, object]) -> None:
    exif = image["exif"]
    taken = expected.get("EXIF:ExifIFD:DateTimeOriginal")
    if taken:
        day, _, time = str(taken).partition(" ")
        assert str(exif["datetime_original"]).startswith(f"{day.replace(':', '-')}T{time}")
    pairs = {
        "camera_make": "EXIF:IFD0:Make",
        "camera_model": "EXIF:IFD0:Model",
        "iso": "EXIF:ExifIFD:ISO",
        "offset_time": "EXIF:ExifIFD:OffsetTimeOriginal",
        "orientation": "EXIF:IFD0:Orientation",
    }
    for ours, theirs in pairs.items():
        if theirs in expected:
            assert str(exif[ours]).strip() == str(expected[theirs]).strip(), ours
    numbers = {
        "aperture": "EXIF:ExifIFD:FNumber",
        "exposure_time": "EXIF:ExifIFD:ExposureTime",
        "focal_length": "EXIF:ExifIFD:FocalLength",
    }
    for ours, theirs in numbers.items():
        if theirs in expected:
            assert exif[ours] == pytest.approx(expected[theirs], rel=1e-4), ours
    if "Composite:GPSLatitude" in expected:
        assert exif["gps"]["lat"] == pytest.approx(expected["Composite:GPSLatitude"], abs=1e-5)
        assert exif["gps"]["lon"] == pytest.approx(expected["Composite:GPSLongitude"], abs=1e-5)


def _assert_exiftool_finds_nothing(folder: Path, pattern: str) -> None:
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        assert not os.environ.get("CI"), "apt install libimage-exiftool-perl"
        return
    files = [str(path) for path in folder.glob(pattern)]
    assert len(files) >= 40
    answer = subprocess.run(
        [exiftool, "-json", "-G1", "-a", "-u", *files], capture_output=True, check=True, text=True
    )
    allowed = {"SourceFile", "ExifTool", "System", "File", "JFIF", "Composite"}
    for found in json.loads(answer.stdout):
        groups = {key.partition(":")[0] for key in found}
        assert groups <= allowed, found
        assert "File:Comment" not in found
