"""`python -m bench.gpu_check`: kernels, ZeRO 2 and 3, kill and resume, adapters, vLLM, evaluation, on random weights.

Each block has expected bands and a time limit; report.md is one page. About an hour on one H100. cpu=true walks
through the same commands with the tiny model.
"""

import sys

from bench.gpu_check.settings import GpuCheckSettings
from configs import command

if __name__ == "__main__":
    run, prog = "bench.gpu_check.blocks:check_gpus", "python -m bench.gpu_check"
    sys.exit(command(GpuCheckSettings, run, sys.argv[1:], prog=prog, summary=str(__doc__)))
