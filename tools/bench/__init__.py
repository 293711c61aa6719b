"""Measuring: one cancellation at a time (`latency`), lists and searches (`orders`), previews (`previews`), each on the
system that is up; and how many paid cancellations a second everything takes, at what cost, on a stack of its own with a
real Kafka (`cancellations`; `bare` is the same without the services)."""
