"""How far a job is: what a bar or a line counts, and whose line it is."""

import argparse
import logging
import sys

import numpy as np
import pytest
import torch
from toy import CONFIG, merged

from eaves import IN_RUN
from eaves.core import cli, meter
from eaves.models.inference import count_windows, predict_strips

SETTINGS = merged(CONFIG, {"predict": {"window": 64, "overlap": 16, "precision": "fp32"}})


class Mean(torch.nn.Module):
    def forward(self, image):
        return image.mean(1, keepdim=True)


@pytest.mark.parametrize("size", [(64, 64), (150, 100), (40, 300)])
def test_prediction_counts_every_window_as_it_goes_on(size):
    told: list[float] = []
    image = np.zeros((*size, 4), np.int16)
    list(predict_strips(Mean(), image, 4, SETTINGS, torch.device("cpu"), told.append))
    assert sum(told) == count_windows(*size, SETTINGS)
    assert max(told) <= 0.25  # a large window is minutes on a laptop


def test_where_no_bar_can_be_a_line_is_told_now_and_then(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "eaves")
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(meter.time, "monotonic", lambda: next(clock))
    with meter.Meter("predict", 4, "windows") as shown:
        for _ in range(4):
            shown.add(0.5)
    assert caplog.messages == [
        "predict: 25%, 1 of 4 windows, 60.00s/windows, 03:00 left",
        "predict: 50%, 2 of 4 windows, 60.00s/windows, 02:00 left",
    ]


@pytest.mark.parametrize(("in_run", "bars"), [(False, 1), (True, 0)])
def test_a_bar_is_drawn_on_a_terminal_that_no_other_job_writes_to(monkeypatch, in_run, bars):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.delenv(IN_RUN, raising=False)
    if in_run:
        monkeypatch.setenv(IN_RUN, "1")
    drawn = meter.Meter("prepare", 2)._bar
    assert (not drawn.disable) == bool(bars)


def test_bytes_are_counted_with_their_files():
    shown = meter.Meter("fetch", 9_000_000, "B", scaled=True, files=2)
    shown.add(2_250_000, files=1)
    assert shown.line(60) == "fetch: 25%, 2.25MB of 9.00MB, 37.5kB/s, 03:00 left, 1 of 2 files"


@pytest.mark.parametrize(("in_run", "prefix"), [(False, ""), (True, "train fold-3: ")])
def test_in_a_run_each_line_names_its_job_and_an_error_stays_as_it_is(tmp_path, monkeypatch, capsys, in_run, prefix):
    monkeypatch.delenv(IN_RUN, raising=False)
    if in_run:
        monkeypatch.setenv(IN_RUN, "1")

    def main(arguments: argparse.Namespace) -> None:
        cli.LOG.info("half of it is done")
        cli.LOG.info("%s", "train: 50%, 1 of 2 epochs")
        raise cli.InputError("a.tif: no such file")

    log = tmp_path / "results" / "logs" / "train" / "fold-3.log"
    with pytest.raises(SystemExit):
        cli.run(main, argparse.Namespace(log=log))
    half, error = "half of it is done", "error: a.tif: no such file"
    meter_line = f"{prefix}50%, 1 of 2 epochs" if in_run else "train: 50%, 1 of 2 epochs"
    assert capsys.readouterr().err.splitlines() == [f"{prefix}{half}", meter_line, error]
    assert log.read_text().splitlines() == [half, "train: 50%, 1 of 2 epochs", error]
