"""What a crontab's line has beside the schedule is refused with the field into which it goes."""

from __future__ import annotations

import pytest

from chalicelib.cron.schedule import Schedule
from chalicelib.errors import ScheduleError

HABITS = [
    ("CRON_TZ=Europe/Berlin 0 5 * * *", "timezone='Europe/Berlin' as a field of the job, and cron='0 5"),
    ("TZ='America/New_York' @daily", "timezone='America/New_York' as a field of the job, and cron='@daily'"),
    ("TZ=UTC 5 * * *", "write timezone='UTC'"),
    ("MAILTO=ops@example.org", "begins with the variable MAILTO; set it in Sauron's environment"),
    ("PATH = /bin 0 5 * * *", "begins with the variable PATH; set it in Sauron's environment"),
    ("0 5 * * * Europe/Berlin", "write cron='0 5 * * *' and timezone='Europe/Berlin'"),
    ("@daily utc", "write cron='@daily' and timezone='UTC'"),
    ("0 5 * * * (Asia/Tokyo)", "write cron='0 5 * * *' and timezone='Asia/Tokyo'"),
    ("0 5 * * * /usr/bin/true", "write cron='0 5 * * *' and command=['/usr/bin/true']"),
    ("0 5 * * mon-fri backup --to 'a b'", "cron='0 5 * * mon-fri' and command=['backup', '--to', 'a b']"),
    ("@hourly /opt/x.sh", "write cron='@hourly' and command=['/opt/x.sh']"),
    ("*/5 * * * * root /usr/bin/true -v", "'-v']; there is no column for a user (here root)"),
    ("0 5 * * * a | b > c", "command=['sh', '-c', 'a | b > c']"),
    ("0 5 * * * # daily", "has a comment; write cron='0 5 * * *' and description='daily'"),
    ("@weekly #tidy up", "write cron='@weekly' and description='tidy up'"),
    ('"0 5 * * *"', "has quotes within the text; write '0 5 * * *'"),
    ("0 5 * * *\n0 6 * * *", "has several lines; write one schedule"),
    ("0 0 5 * * *", "no seconds or years here; write exactly five"),
    ("0 0 5 * * *", "such as '0 5 * * *'"),
    ("0 5 * * * 2026", "such as '0 5 * * *'"),
    ("0 0 12 * * ?", "such as '0 12 * * *'"),
    ("cron(0 5 * * ? *)", "day of week): cron='0 5 * * *'"),
    ("cron(15 10 ? * MON-FRI 2027)", "cron='15 10 * * MON-FRI'"),
    ("cron(15 10 ? * 2-6 *)", "weekdays by name, such as 'mon-fri'"),
    ("rate(5 minutes)", "cron='*/5 * * * *'"),
    ("rate(1 minute)", "cron='* * * * *'"),
    ("Rate( 2 hours )", "cron='0 */2 * * *'"),
    ("rate(60 minutes)", "day of week)."),
    ("rate(7 minutes)", "day of week)."),
    ("rate(24 hours)", "day of week)."),
    ("rate(3 days)", "day of week)."),
    ("0 5 * * * mon", "has 6 fields"),
    ("0 0 5 * * ? 2026", "has 7 fields"),
    ("* * * *", "has 4 fields"),
    ("@dayly", "is not an alias"),
    ("@every 5m", "is an interval"),
    ("@reboot /usr/bin/true", "is not a time"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "said"), HABITS)
def test_a_line_of_a_crontab_is_refused_with_the_field_that_each_part_goes_into(
    expression: str, said: str
) -> None:
    with pytest.raises(ScheduleError) as refused:
        Schedule(expression)
    assert said in str(refused.value)
