# SPDX-License-Identifier: Apache-2.0
"""Dimensions of a page's images from their first bytes, fetched by the module through the host."""
import base64, json, os, signal, struct, subprocess, zlib, rig


def png(width, height, tail=0):
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + bytes(3 * width) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"") + bytes(tail))


def gif(width, height):
    return (b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + b"," +
            struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0;")


# One grey point, as a camera would write it; the frame's size is patched, thumbnails lie before it.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4z"
    "NDL/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q==")
WEBP = base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")


def jpeg(width, height, exif=0):
    at = JPEG.index(b"\xff\xc0")
    frame = JPEG[at:at + 5] + struct.pack(">HH", height, width) + JPEG[at + 9:]
    thumbnail = b"\xff\xe1" + struct.pack(">H", exif + 2) + bytes(exif) if exif else b""
    return JPEG[:20] + thumbnail + JPEG[20:at] + frame


class Images(rig.Case):
    def build(self):
        images = {"/a.png": png(31, 7), "/b.gif": gif(300, 200), "/c.jpg": jpeg(1024, 768, exif=50000), "/d.webp": WEBP,
                  "/large.png": png(640, 480, tail=1 << 20), "/broken.png": b"\x89PNG\r\n\x1a\n", "/text.png": b"<html>no image"}
        expected = {"/a.png": ("image/png", 31, 7), "/b.gif": ("image/gif", 300, 200), "/c.jpg": ("image/jpeg", 1024, 768),
                    "/d.webp": ("image/webp", 1, 1), "/large.png": ("image/png", 640, 480), "/broken.png": ("image/png", None, None),
                    "/text.png": (None, None, None), "/gone.png": (None, None, None), "/forbidden/e.png": (None, None, None)}
        self.ranges, self.sent = {}, {}
        site = self.site({"/": "<title>t</title><body>" + "".join(f'<img src="{path}" alt="x">' for path in expected)})

        def answer(handler):
            body = images[handler.path]
            self.ranges[handler.path] = handler.headers.get("Range")
            if handler.path == "/large.png":  # a server that knows no ranges
                handler.answer(200, body, Content_Type="image/png")
                return
            first, last = handler.headers["Range"].split("=")[1].split("-")
            part = body[int(first):int(last) + 1]
            handler.answer(206, part, Content_Type="image/png", Content_Range=f"bytes {first}-{len(part) - 1}/{len(body)}")
        for path in images:
            site.pages[path] = answer
        site.pages["/robots.txt"] = "User-agent: *\nDisallow: /forbidden/"
        site.pages["/forbidden/e.png"] = lambda handler: self.fail("robots.txt forbids it")
        return site, expected

    def submit(self, site, *more):
        self.run_gleaner("submit", site.url + "/", "--type", "image", "--data", self.data)
        process = self.start("run", "--data", self.data, "--allow-net", "127.0.0.0/8", "--no-progress", *more)
        status = lambda: json.loads(self.run_gleaner("status", "--data", self.data, "--json")[0])
        rig.wait_for(lambda: os.path.exists(f"{self.data}/gleaner.sock") or process.poll() is not None, "the status socket")
        rig.wait_for(lambda: status()["queue"]["done"] >= 1, "the job")
        process.send_signal(signal.SIGTERM)
        self.finish(process, 0)
        return {d["url"][len(site.url):]: d for d in self.exported("--collection", "imagecontents")}

    def check(self, *more):
        site, expected = self.build()
        found = self.submit(site, "--set", "image.dimensions=true", *more)
        self.assertEqual({path: (d["mediaType"], d["width"], d["height"]) for path, d in found.items()}, expected)
        self.assertEqual(set(self.ranges.values()), {"bytes=0-65535"})
        asked = [p for p in site.requests if p != "/"]
        self.assertEqual(sorted(asked), sorted(set(expected) - {"/forbidden/e.png"}), "each image is asked for once")

    def test_they_are_read_from_the_first_bytes(self):
        self.check()

    def test_a_child_process_asks_its_parent(self):
        self.check("--isolate")

    def test_nothing_is_fetched_unless_it_is_asked_for(self):
        site, expected = self.build()
        found = self.submit(site)
        self.assertEqual(set(found), set(expected))
        self.assertNotIn("width", found["/a.png"])
        self.assertEqual(site.requests, ["/"])

    def test_by_the_messages_of_the_application(self):
        site, expected = self.build()
        request = json.dumps({"type": "scrape_images", "url": site.url + "/", "requestId": 1}) + "\n"
        done = subprocess.run([rig.GLEANER, "worker", "--stdio", "--data", self.data, "--allow-net", "127.0.0.0/8", "--no-progress",
                               "--set", "image.dimensions=true"], input=request, text=True, capture_output=True, timeout=rig.LIMIT,
                              env=self.environment, cwd=self.home)
        reply = json.loads(done.stdout.splitlines()[0])
        self.assertTrue(reply["data"]["success"], reply)
        found = {d["url"][len(site.url):]: d for d in self.exported("--collection", "imagecontents")}
        self.assertEqual({path: (d["mediaType"], d["width"], d["height"]) for path, d in found.items()}, expected)


rig.main()
