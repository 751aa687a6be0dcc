"""`python -m train.rewards method=... rows=in.jsonl out=out.jsonl`: see train/rewards_command.py."""

if __name__ == "__main__":
    from train.rewards_command import main

    raise SystemExit(main())
