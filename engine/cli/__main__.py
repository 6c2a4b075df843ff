"""`python -m engine.cli`, where no console script is installed."""

from engine.cli.main import main

main()
