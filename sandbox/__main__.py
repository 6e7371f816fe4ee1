"""`python -m sandbox COMMAND`: the sandbox on the command line."""

import argparse
import importlib
import sys

_COMMANDS = {
    "up": "start everything and leave it running",
    "demo": "tell on a running sandbox what the guard does",
    "bench": "measure the guard on the sandbox",
}


def main(argv: list[str]) -> int:
    """Run one command; each is a module of its own, imported only when it is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description=__doc__,
        epilog="\n".join(f"{name:8} {does}" for name, does in _COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    command = importlib.import_module(f"sandbox.{options.command}")
    code: int = command.main(options.arguments)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
