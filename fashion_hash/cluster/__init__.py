"""Answers from several machines: shares of a pool in Ray actors behind the contract of an engine."""
