"""Forged, broken and early messages to the judge."""

from classroom.cases import BROKE, ENDED, TIMED_OUT, WRONG
from classroom.tricks import HAVOC, forgery

# Headers that describe what is not there, or too much of it; behind each come 64 bytes.
_HEADERS = {
    "not_json": 'b"{never closed"',
    "not_utf_8": r'b"\"\xff\xfe\""',
    "nothing": 'b""',
    "a_number": 'b"5"',
    "a_list": 'b"[1, 2, 3]"',
    "deep_json": 'b"[" * 100_000 + b"]" * 100_000',
    "deep_dicts": """b'{"dict":{"a":' * 50_000 + b"1" + b"}}" * 50_000""",
    "a_long_number": 'b"9" * 500_000',
    "many_values": 'b"[" + b"0," * 400_000 + b"0]"',
    "no_value": '{"question": 0}',
    "a_verdict": '{"dict": {"points": 5, "of": 5, "status": "correct"}}',
    "trouble": '{"dict": {"trouble": "the walls fell down"}}',
    "objects": '{"array": "object", "shape": [8]}',
    "pickle": '{"array": "O", "shape": [1], "pickle": "gASVBQAAAAAAAABLBS4="}',
    "text_in_an_array": '{"array": "U16", "shape": [1]}',
    "huge_shape": '{"array": "float64", "shape": [2**40]}',
    "overflowing_shape": '{"array": "float64", "shape": [2**32, 2**32, 2]}',
    "overflowing_tensor": '{"tensor": "float32", "shape": [2**63, 2**63]}',
    "negative_shape": '{"array": "float64", "shape": [-8]}',
    "negative_pair": '{"tensor": "float32", "shape": [-4, -4]}',
    "fractional_shape": '{"array": "float64", "shape": [8.0]}',
    "true_shape": '{"array": "float64", "shape": [True, 8]}',
    "shape_of_text": '{"array": "float64", "shape": "8"}',
    "many_axes": '{"array": "float64", "shape": [1] * 1000 + [8]}',
    "zero_and_huge": '{"tensor": "float32", "shape": [0, 2**62, 2**62]}',
    "unknown_kind": '{"module": "os", "shape": [8]}',
    "a_path": '{"file": "/etc/passwd"}',
}
_PICKLED = "b\"cposix\\nsystem\\n(S'touch /tmp/@EVIDENCE@_unpickled'\\ntR.\""

FORGERIES = (
    *(
        forgery(
            f"frame_{name}",
            f"""
            header = {header}
            if isinstance(header, bytes):
                post(framed(value(header, bytes(64))))
            elif "shape" in header:
                post(reply(asked()["question"], asked()["nonce"], header, bytes(64)))
            else:
                post(framed(value(header)))
            """,
            "what arrives is no answer",
        )
        for name, header in _HEADERS.items()
    ),
    forgery("frame_of_no_bytes", 'post(framed(b""))', "what arrives is no answer"),
    forgery(
        "frame_of_four_gigabytes",
        'post(b"\\xff\\xff\\xff\\xff" + bytes(100))',
        "an answer is not that long, and as a signed number not negative",
    ),
    forgery(
        "frame_of_negative_length",
        'post(struct.pack(">i", -2**31) + bytes(100))',
        "no answer has a negative length",
    ),
    forgery(
        "frame_with_a_negative_header",
        'post(framed(struct.pack(">i", -1) + b"{}"))',
        "no header has a negative length",
    ),
    forgery(
        "frame_with_a_long_header",
        'post(framed(struct.pack(">I", 2**31) + b"{}"))',
        "the header is longer than the frame",
    ),
    forgery("frame_pickled", f"post(framed({_PICKLED}))", "nobody unpickles it"),
    forgery("frame_of_noise", "post(os.urandom(100_000))", "noise is no answer"),
    forgery(
        "frames_without_end",
        """
        frame = framed(value({"dict": {"points": 5}}))
        while True:
            post(frame * 100)
        """,
        "the first one ends it",
        BROKE | TIMED_OUT | ENDED,
    ),
    forgery(
        "forged_when_loaded",
        "",
        "nobody had asked",
        first="""
        post(framed(value({"dict": {"points": 5, "of": 5, "status": "correct"}})))
        """,
    ),
    forgery(
        "forged_trouble_when_loaded",
        "",
        "says the grader failed, which is for the grader to say",
        first="""
        post(framed(value({"dict": {"trouble": "the walls fell down"}})))
        """,
    ),
    forgery(
        "queued_in_advance",
        "",
        "answers to what nobody has asked yet",
        first="""
        quarter = struct.pack("<f", 0.25)
        for number in range(20):
            for size in (1, 3, 6, 4):
                header = {"tensor": "float32", "shape": [size]}
                post(reply(number, "0" * 32, header, quarter * size))
        """,
    ),
    forgery(
        "nonces_guessed",
        """
        for guess in ("", "0" * 32, "f" * 32, None, 0, True, [], {}):
            post(reply(asked()["question"], guess, 0.25))
        """,
        "a nonce cannot be guessed",
    ),
    forgery(
        "answers_twice",
        """
        quarter = struct.pack("<f", 0.25) * x.numel()
        header = {"tensor": "float32", "shape": list(x.shape)}
        for _ in range(2):
            post(reply(asked()["question"], asked()["nonce"], header, quarter))
        """,
        "one question, one answer",
    ),
    forgery(
        "answers_early",
        """
        for number in range(asked()["question"], 12):
            post(reply(number, asked()["nonce"], 0.25))
        """,
        "each question has a nonce of its own",
    ),
    forgery(
        "answers_another_question",
        """
        for number in (-1, 10**6, 2**70, 0.0, "0", None, True, [0]):
            post(reply(number, asked()["nonce"], 0.25))
        """,
        "the number belongs to no question",
    ),
    forgery(
        "answers_late",
        """
        answers.append(reply(asked()["question"], asked()["nonce"], 0.25))
        if len(answers) > 1:
            post(answers[0])
        """,
        "the answer to an earlier question",
        first="answers = []",
    ),
    forgery(
        "answers_from_a_child",
        """
        number, nonce = asked()["question"], asked()["nonce"]
        if number == 0 and os.fork() == 0:
            time.sleep(0.3)
            for later in range(12):
                post(reply(later, nonce, 0.25))
            os._exit(0)
        if number == 1:
            time.sleep(2)
        """,
        "a child has no right to answer, and does not know the nonce",
    ),
    forgery(
        "answers_from_an_orphan",
        """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for _ in range(100):
                    time.sleep(0.1)
                    post(framed(value({"dict": {"points": 5}})))
            os._exit(0)
        os.wait()
        """,
        "what an orphan writes reaches nobody, or ends the worker",
        BROKE | WRONG,
    ),
    forgery(
        "takes_over_the_line",
        """
        line = socket.socket(fileno=os.dup(lines()[0]))
        question = asked()
        number, nonce = question["question"], question["nonce"]
        while True:
            line.sendall(reply(number, nonce, 0.125))
            data = line.recv(4, socket.MSG_WAITALL)
            if not data:
                os._exit(0)
            data = line.recv(struct.unpack(">I", data)[0], socket.MSG_WAITALL)
            size = struct.unpack_from(">I", data)[0]
            fields = json.loads(data[4 : 4 + size])["dict"]
            number, nonce = fields["question"], fields["nonce"]
        """,
        "speaks the protocol on its own, and answers wrong",
        WRONG | ENDED,
    ),
    forgery(
        "closes_the_line",
        """
        for number in lines():
            os.close(number)
        """,
        "no answer can come",
        ENDED | BROKE,
    ),
    forgery(
        "shuts_the_line",
        """
        for number in lines():
            socket.socket(fileno=number).shutdown(socket.SHUT_RDWR)
        """,
        "no answer can come",
        ENDED | BROKE,
    ),
    forgery(
        "another_end_of_the_line",
        """
        here, there = socket.socketpair()
        for number in lines():
            os.dup2(here.fileno(), number)
        """,
        "speaks with itself",
        ENDED | BROKE | TIMED_OUT,
    ),
    forgery(
        "wait_without_an_answer", "time.sleep(600)", "keeps the line and says nothing", TIMED_OUT
    ),
    forgery(
        "wait_in_half_a_frame",
        'post(struct.pack(">I", 1000) + b"ten bytes.")\ntime.sleep(600)',
        "half an answer, and silence",
        TIMED_OUT,
    ),
    forgery(
        "wait_drop_by_drop",
        'post(struct.pack(">I", 10**6))\nfor _ in range(600):\n    post(b" ")\n    time.sleep(1)',
        "a byte a second is no answer",
        TIMED_OUT,
    ),
    forgery(
        "passes_open_files",
        """
        kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]
        for number in lines():
            line = socket.socket(fileno=os.dup(number))
            for _ in range(20):
                socket.send_fds(line, [b"points: 5 of 5. "], kept)
        """,
        "nobody takes them",
    ),
    forgery(
        "does_not_wait",
        """
        for number in lines():
            os.set_blocking(number, False)
        """,
        "answers wrong, in whatever mode",
        HAVOC,
    ),
)
