from __future__ import annotations

import pytest
from botocore import exceptions as boto
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.storage.parallel import bounded_map
from stilts_core.storage.retry import Backoff, tried_again
from stilts_core.storage.s3_failures import Place, is_transient, s3_failure


@given(st.integers(1, 20), st.floats(0.001, 1), st.floats(1, 30))
def test_waits_grow_to_a_limit_and_differ(attempts: int, first: float, longest: float) -> None:
    waits = list(Backoff(attempts, first, longest).waits())
    assert len(waits) == attempts - 1
    for number, wait in enumerate(waits):
        most = min(longest, first * 2**number)
        assert most / 2 <= wait <= most


@pytest.mark.parametrize(("failures", "tries"), [(0, 1), (3, 4), (4, 5), (5, 5), (99, 5)])
def test_as_many_tries_as_needed_and_allowed(failures: int, tries: int) -> None:
    made = []

    def operation() -> str:
        made.append(1)
        if len(made) <= failures:
            raise TimeoutError(len(made))
        return "done"

    backoff, before = Backoff(5, 0.0001, 0.0001), tried_again()
    if failures < 5:
        assert backoff.run(operation, lambda error: True) == "done"
    else:
        with pytest.raises(TimeoutError, match="5"):
            backoff.run(operation, lambda error: True)
    assert len(made) == tries
    assert tried_again() - before == tries - 1


def test_what_is_not_transient_is_not_tried_again() -> None:
    made = []

    def operation() -> None:
        made.append(1)
        raise ValueError("for good")

    with pytest.raises(ValueError, match="for good"):
        Backoff(5).run(operation, lambda error: isinstance(error, TimeoutError))
    assert len(made) == 1


def answer(status: int, code: str) -> boto.ClientError:
    response = {"Error": {"Code": code, "Message": "said the server."}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, "PutObject")


@pytest.mark.parametrize(
    ("status", "code", "transient", "text"),
    [
        (500, "InternalError", True, "answered 500"),
        (503, "SlowDown", True, "answered 503"),
        (429, "TooManyRequests", True, "answered 429"),
        (400, "RequestTimeout", True, "RequestTimeout"),
        (409, "ConditionalRequestConflict", True, "ConditionalRequestConflict"),
        (409, "ObjectParentIsFile", False, "another key is its folder"),
        (403, "AccessDenied", False, "no right"),
        (403, "403", False, "no right"),
        (403, "SignatureDoesNotMatch", False, "refuses the credentials"),
        (403, "RequestTimeTooSkewed", False, "clock"),
        (301, "PermanentRedirect", False, "another region"),
        (404, "NoSuchBucket", False, "no bucket shelf"),
        (501, "NotImplemented", False, "lacks what the call needs"),
        (507, "XMinioStorageFull", False, "is full"),
        (503, "XMinioStorageFull", False, "is full"),
        (400, "InvalidArgument", False, "answered 400 InvalidArgument (said the server)"),
    ],
)
def test_what_an_answer_means(status: int, code: str, transient: bool, text: str) -> None:
    error = answer(status, code)
    assert is_transient(error) is transient
    failure = s3_failure(error, "write s3://shelf/key", Place("shelf", "https://host"))
    assert failure.message.startswith("Could not write s3://shelf/key: ")
    assert failure.message.count("\n") == 0
    assert text in failure.message


def test_bounded_map_keeps_order_and_gives_the_first_failure() -> None:
    assert bounded_map(lambda number: number * 2, range(50), 4) == list(range(0, 100, 2))
    assert bounded_map(str, [], 4) == []
    with pytest.raises(ZeroDivisionError):
        bounded_map(lambda number: 1 // (number - 3), range(50), 4)
