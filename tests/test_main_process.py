"""Snakemake's own process: one line per failed job, and a first Ctrl-C that is repeated until Snakemake reacts."""

import io
import logging
import os
import signal
import time

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from eaves.workflow import main_process


@pytest.fixture
def logger():
    """A logger like Snakemake's, with a stream in place of the terminal."""
    made = logging.Logger("like-snakemake")
    made.addHandler(logging.StreamHandler(io.StringIO()))
    return made


@pytest.fixture
def interrupts(logger):
    before = signal.getsignal(signal.SIGINT)
    yield main_process.install(logger)
    signal.signal(signal.SIGINT, before)


def shown(logger):
    return logger.handlers[0].stream.getvalue().splitlines()


def test_a_failed_job_is_one_line_with_its_log(logger, interrupts, tmp_path):
    log = tmp_path / "prepare.log"
    log.touch()
    logger.info("3 of 9 steps done")
    for logs in ([str(log)], []):
        logger.error(
            "a command and a traceback", extra={"event": LogEvent.JOB_ERROR, "rule_name": "prepare", "log": logs}
        )
    logger.error("CalledProcessError in file ...", extra={"event": LogEvent.ERROR})
    assert shown(logger)[0] == "3 of 9 steps done"
    assert [line.startswith("error: the job prepare failed; ") for line in shown(logger)[1:]] == [True, True]
    assert shown(logger)[1].endswith(f"its log: {log}")


def test_what_snakemake_filters_stays_filtered(logger):
    logger.handlers[0].addFilter(logging.Filter("like-snakemake.news"))
    before = signal.getsignal(signal.SIGINT)
    main_process.install(logger)
    signal.signal(signal.SIGINT, before)
    logger.info("filtered")
    logger.handle(logging.makeLogRecord({"name": "like-snakemake.news", "msg": "news", "levelno": logging.INFO}))
    assert shown(logger) == ["news"]


def test_a_first_ctrl_c_is_repeated_until_snakemake_reacts(logger, interrupts, monkeypatch, capfd):
    sent = []
    monkeypatch.setattr(main_process, "REPEAT_S", 0.01)
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((process, number)))
    interrupts.running = True
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    deadline = time.monotonic() + 30
    while not sent and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sent[0] == (os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # what was sent counts as the first one, repeated
        signal.raise_signal(signal.SIGINT)
    logger.warning("Terminating processes on user request, this might take some time.")
    logger.error("a job failed because of the interrupt")
    assert interrupts.heard
    assert shown(logger) == []
    assert "stopping: jobs end" in capfd.readouterr().err


class Exited(BaseException):
    """Stands in for the end of the process."""


@pytest.mark.parametrize("running", [True, False])
def test_a_second_ctrl_c_ends_at_once_and_so_does_one_before_any_job(interrupts, monkeypatch, capfd, running):
    def leave(status):
        raise Exited(status)

    monkeypatch.setattr(os, "_exit", leave)
    interrupts.running = running
    interrupts.heard = True
    if running:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(Exited) as left:
        signal.raise_signal(signal.SIGINT)
    assert left.value.args == (130,)
    assert capfd.readouterr().err.endswith("stopped\n")
