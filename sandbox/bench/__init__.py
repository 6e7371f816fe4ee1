"""`make bench`: what the guard costs on the sandbox, beside floors measured in the same run.

    command    options, the order of things, build/bench.json
    plans      how much of everything: full, quick
    stage      the sandbox whose events are kept instead of delivered, and resources to write about
    contenders who is measured: the guard (its process), and the floors (`floor`, one process each)
    trial      one block of events by one contender: what was timed and counted
    cpu, latency, memory, cold    sections that need the stage
    estate     the section of previews, which are processes of their own
    estates    the rows and policies that it generates
    notify     the section of notifications: one alert to Teams beside `relay`, and `flood`
    burst      what surrounds the guard in a flood; `rows` is the flood's floor
    alerts     the alerts that both deliver
    timed      processes that are measured as a whole
    report     tables, and ratios beside their targets

It exits with 0 whatever the figures are, and with 1 only if something did not work at all.
"""


def main(args: list[str]) -> int:
    """Measure, print, write build/bench.json."""
    # Here, since the floors' processes import this package too and must stay as small as they are.
    from sandbox.bench import command

    return command.main(args)
