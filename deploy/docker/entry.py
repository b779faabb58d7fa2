"""Runs the program an image was built for (KF_SERVICE), as `python -m` would; arguments are passed on."""

import os
import runpy

if __name__ == "__main__":
    runpy.run_module(f"kf_{os.environ['KF_SERVICE']}", run_name="__main__", alter_sys=True)
