"""A small Linkkit cloud on paho-mqtt: offers one update to one device and says what it sees."""

import hashlib
import json
import sys
import threading

import paho.mqtt.client as mqtt

port, product, device, url, file, version = sys.argv[1:]
body = open(file, "rb").read()
offered = threading.Event()
updated = threading.Event()


def topic(name):
    return f"/ota/device/{name}/{product}/{device}"


QUERY = f"/sys/{product}/{device}/thing/ota/firmware/get"


def offer():
    data = {
        "size": len(body),
        "version": version,
        "url": url,
        "signMethod": "Md5",
        "sign": hashlib.md5(body).hexdigest().upper(),
        "md5": hashlib.md5(body).hexdigest(),
        "extData": {"_package_udi": '{"note": "kept as \\"text\\""}'},
    }
    message = {"code": "1000", "data": data, "id": 1, "message": "success"}
    # As the real cloud writes it: slashes escaped.
    return json.dumps(message).replace("/", "\\/")


def check_request(message):
    assert not message.payload.endswith(b"\0"), "the payload ends with a NUL"
    request = json.loads(message.payload)
    assert isinstance(request["id"], str) and request["id"].isdigit(), "the id is not a decimal string"
    return request


def on_message(client, _, message):
    request = check_request(message)
    if message.topic == topic("inform"):
        running = request["params"]["version"]
        print("INFORM", running)
        if running == version:
            print("DONE")
            updated.set()
        elif not offered.is_set():
            offered.set()
            client.publish(topic("upgrade"), offer(), qos=1)
    elif message.topic == topic("progress"):
        step, text = request["params"]["step"], request["params"].get("desc", "")
        assert isinstance(step, str) and -4 <= int(step) <= 100, f"step {step!r}"
        print("FAILED" if int(step) < 0 else "PROGRESS", step, text)
    elif message.topic == QUERY:
        print("QUERY", request["method"])
        reply = {"id": request["id"], "code": 200, "data": {}}
        client.publish(QUERY + "_reply", json.dumps(reply), qos=1)


def on_connect(client, *_):
    for name in (topic("inform"), topic("progress"), QUERY):
        client.subscribe(name, qos=1)
    print("READY")


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
client.on_connect, client.on_message = on_connect, on_message
client.connect("127.0.0.1", int(port))
client.loop_forever()
