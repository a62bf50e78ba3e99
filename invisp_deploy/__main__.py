"""`python -m invisp_deploy` is `invisp`."""

from invisp_deploy.cli.main import main

if __name__ == "__main__":
    main(prog_name="invisp")
