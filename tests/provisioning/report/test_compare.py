import msgspec

from provisioning.report.compare import differences
from provisioning.report.document import Figure, Result

replace = msgspec.structs.replace


def with_line(report, **fields):
    cameras, *others = report.results
    first, *lines = cameras.lines
    cameras = replace(cameras, lines=(replace(first, **fields), *lines))
    return replace(report, results=(cameras, *others))


def test_the_same_is_no_difference(report):
    assert differences(report, report) == ()


def test_what_is_within_the_scatter_is_no_difference(report):
    assert differences(report, with_line(report, figures=(Figure("frame rate", 14.2, "frames/s"),))) == ()


def test_figures_states_and_what_is_gone_are_told_in_words(report):
    now = with_line(
        report, state="failed", text="9 frames are missing", figures=(Figure("frame rate", 9.0, "frames/s"),)
    )
    assert differences(report, now) == (
        "Camera 0: passed then, did not pass now. 9 frames are missing",
        "Camera 0: frame rate 15.0 frames/s then, 9.0 frames/s now.",
    )
    cameras = replace(report.results[0], lines=report.results[0].lines[1:])
    fewer = replace(report, results=(cameras, report.results[1]))
    assert differences(report, fewer) == ("Camera 0: was there at the first test, and is not now.",)
    assert differences(fewer, report) == ("Camera 0: new since the first test.",)


def test_a_test_that_was_done_once_and_not_now(report):
    done = replace(report, results=(report.results[0], Result("ups", "UPS", "passed", "on mains")))
    assert differences(done, report) == ("UPS: passed then, was not done now. No UPS is connected.",)
    assert differences(report, done) == ("UPS: was not done then, passed now. on mains",)
