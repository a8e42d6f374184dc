"""`metasynth`, and `python -m metasynth`: signals are taken before anything slow is imported."""

import signal
import sys


def main() -> None:
    """Run the command line; an interrupt is one line and exit status 130 from here on."""
    take_signals()
    try:
        from metasynth.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:  # while it was imported
        print("error: interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def take_signals() -> None:
    """SIGTERM and SIGHUP interrupt as Ctrl-C does, unless the caller had them ignored (nohup)."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    main()
