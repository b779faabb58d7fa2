"""The kf command: run, demo and operate Kefu."""
