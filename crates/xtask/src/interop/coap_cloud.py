"""A small cloud on aiocoap: it offers to one device what it is told to, as docs/formats.md says, and says what it sees."""

import asyncio
import hashlib
import json
import logging
import os
import pathlib
import sys

import aiocoap
from aiocoap.cli.fileserver import FileServer
from aiocoap.optiontypes import BlockOption
from aiocoap.resource import ObservableResource, PathCapable, Resource, Site

port, product, device, files, base, max_age = sys.argv[1:]
JSON = 50


class Files(PathCapable, FileServer):
    """aiocoap's own file server, under a path."""


class Offers(ObservableResource):
    """What is pending: an offer, or nothing."""

    def __init__(self):
        super().__init__()
        self.change("", b"")

    def change(self, version, body):
        self.version, self.body, self.etag = version, body, os.urandom(4)
        self.updated_state()

    async def add_observation(self, request, observation):
        await super().add_observation(request, observation)
        print("REGISTERED", request.token.hex())

    async def needs_blockwise_assembly(self, request):
        return False  # aiocoap makes no blocks of what is observed

    async def render_get(self, request):
        asked = request.opt.block2 or BlockOption.BlockwiseTuple(0, False, 6)
        part = self.body[asked.start : asked.start + asked.size]
        more = len(self.body) > asked.start + asked.size
        message = aiocoap.Message(payload=part, etag=self.etag, max_age=int(max_age), content_format=JSON)
        if more or asked.block_number:
            print("BLOCK", asked.block_number, "of", self.version)
            message.opt.block2 = (asked.block_number, more, asked.size_exponent)
        return message


class Reports(Resource):
    """Where one kind of report is posted to."""

    def __init__(self, kind, offers):
        super().__init__()
        self.kind, self.offers = kind, offers

    async def render_post(self, message):
        assert message.opt.content_format == JSON, "it is not said to be JSON"
        report = json.loads(message.payload)
        assert isinstance(report["id"], str) and report["id"].isdigit(), "the id is not a decimal string"
        said = getattr(self, self.kind)(report)
        print(self.kind.upper(), *said)
        if self.kind == "progress" or said == [self.offers.version]:
            self.offers.change("", b"")
        return aiocoap.Message()

    def version(self, report):
        return [report["params"]["version"]]

    def progress(self, report):
        step = report["params"]["step"]
        assert isinstance(step, str) and -4 <= int(step) <= 100, f"step {step!r}"
        return [step, report["params"].get("desc", "")]

    def query(self, report):
        return [report["method"]]


def offer(version, path, url):
    body = pathlib.Path(path).read_bytes()
    md5 = hashlib.md5(body).hexdigest()
    data = {"size": len(body), "version": version, "url": base + url, "signMethod": "Md5", "sign": md5, "md5": md5}
    # More than two blocks.
    data["extData"] = {"_package_udi": json.dumps({"note": "x" * 2_000})}
    return json.dumps({"code": "1000", "data": data, "id": 1, "message": "success"}).encode()


async def main():
    site, offers = Site(), Offers()
    site.add_resource(["ota", "offer", product, device], offers)
    for kind in ("version", "progress", "query"):
        site.add_resource(["ota", kind, product, device], Reports(kind, offers))
    site.add_resource(["files"], Files(pathlib.Path(files), logging.getLogger("files")))
    await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", int(port)))
    while line := await asyncio.to_thread(sys.stdin.readline):
        version, path, url = line.split()
        offers.change(version, offer(version, path, url))


asyncio.run(main())
