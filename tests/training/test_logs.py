import logging

from kres.training.logs import Display, LogRow, RunLog, read_history


def _row(step, test_accuracy=None):
    return LogRow(
        step=step,
        epoch=step / 10,
        learning_rate=0.1,
        loss=1.5,
        accuracy=0.25,
        images_per_second=100.0,
        test_accuracy=test_accuracy,
    )


def test_rows_come_back(tmp_path):
    log = RunLog(tmp_path, step=0)
    rows = [_row(1), _row(2, test_accuracy=0.5)]
    for row in rows:
        log.add(row)
    log.close()
    assert read_history(tmp_path) == rows


def test_rows_beyond_the_checkpoint_are_dropped(tmp_path):
    log = RunLog(tmp_path, step=0)
    for step in (1, 2, 3):
        log.add(_row(step))
    log.close()
    log = RunLog(tmp_path, step=2)
    log.add(_row(3, test_accuracy=0.75))
    log.close()
    assert read_history(tmp_path) == [_row(1), _row(2), _row(3, test_accuracy=0.75)]


def test_a_line_that_a_killed_process_cut_off_is_left_out(tmp_path):
    log = RunLog(tmp_path, step=0)
    for step in (1, 2):
        log.add(_row(step))
    log.close()
    path = tmp_path / "log.csv"
    path.write_text(path.read_text()[:-12])
    assert read_history(tmp_path) == [_row(1)]


def test_no_log_is_no_history(tmp_path):
    assert read_history(tmp_path) == []


def test_without_a_terminal_a_run_says_little(caplog, capsys):
    with caplog.at_level(logging.INFO), Display(100, done=0) as display:
        for step in range(1, 101):
            display.show(_row(step))
    assert len(caplog.records) == 1
    assert "step 100 of 100: loss 1.5000  accuracy 25.00%" in caplog.text
    assert capsys.readouterr() == ("", "\n") or capsys.readouterr() == ("", "")
