"""Has a lab's checkpoint cosigned by a witness, with the client of `aics-witness`.

Usage: submit.py URL WITNESS_VKEY LAB ASSAY
"""

import base64
import subprocess
import sys

from aics_witness.feeder import WitnessClient

url, vkey, lab, assay = sys.argv[1:]


def prove(old):
    return subprocess.run([assay, "--lab", lab, "prove", "--since", str(old)], check=True, capture_output=True).stdout


def proof(old, new):
    head = prove(old).split(b"\n\n", 1)[0].decode().split("\n")
    return [base64.b64decode(line) for line in head[1:]]


note = prove(0).split(b"\n\n", 1)[1]
client = WitnessClient(url, vkey, state_path="state.json")
print(client.submit(note.decode(), proof))
