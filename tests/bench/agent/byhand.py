"""What a user would write by hand: load a model, take inputs from MQTT, send outputs, each at most once as over HTTP.

With QoS 1 acknowledgements and messages wait for each other in the kernels, 44 ms each way: small packets behind small
packets, which Nagle's algorithm and delayed acknowledgements of TCP hold back in clients and broker.
"""

import json
import sys

import numpy as np
import onnxruntime as ort
import paho.mqtt.client as mqtt


def main(model: str, port: int) -> None:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def on_connect(client, _data, _flags, _reason, _properties):
        client.subscribe("byhand/in", qos=0)

    def on_message(client, _data, message):
        values = np.asarray(json.loads(message.payload), dtype=np.float32)
        output = session.run(None, {name: values})[0]
        client.publish("byhand/out", json.dumps(output.tolist()), qos=0)

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="byhand")
    client.on_connect, client.on_message = on_connect, on_message
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
