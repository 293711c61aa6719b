"""A small saga for the tests of the saga engine: a trip is booked, and who takes part in it."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from chassis.saga import Saga, after_undo, pivot, step, then
from contracts.message import Command, Event, answered_by


class Trip(BaseModel):
    """The facts."""

    model_config = ConfigDict(frozen=True)

    case_id: str = "trip-1"
    seats: int = 2
    secret: str = "not for everyone"


class Told(Event):
    case_id: str


class Wish(Command):
    case_id: str


class TrainBooked(Told): ...


class TrainFull(Told): ...


class TrainCancelled(Told): ...


@answered_by(yes=TrainBooked, no=TrainFull)
class BookTrain(Wish):
    seats: int


@answered_by(yes=TrainCancelled)
class CancelTrain(Wish): ...


class HotelBooked(Told): ...


class HotelFull(Told): ...


class HotelCancelled(Told): ...


@answered_by(yes=HotelBooked, no=HotelFull)
class BookHotel(Wish):
    seats: int


@answered_by(yes=HotelCancelled)
class CancelHotel(Wish): ...


class Charged(Told): ...


class NotCharged(Told): ...


@answered_by(yes=Charged, no=NotCharged)
class Charge(Wish):
    reason: str


class TicketsSent(Told): ...


@answered_by(yes=TicketsSent)
class SendTickets(Wish): ...


class Thanked(Told): ...


@answered_by(yes=Thanked)
class Thank(Wish): ...


class Consoled(Told): ...


@answered_by(yes=Consoled)
class Console(Wish): ...


class Unanswered(Wish): ...


def charge(trip: Trip) -> Charge:
    return Charge(case_id=trip.case_id, reason=f"{trip.seats} seats")


PATIENCE = timedelta(minutes=3)
BOOK_TRAIN = step("book the train", BookTrain, undo=CancelTrain, patience=PATIENCE)
BOOK_HOTEL = step("book the hotel", BookHotel, undo=CancelHotel, patience=PATIENCE)
CHARGE = pivot("charge", charge, patience=PATIENCE)
SEND_TICKETS = then("send the tickets", SendTickets, patience=PATIENCE)
THANK = then("thank", Thank)
SEND_AND_THANK = then("send the tickets", SendTickets, patience=PATIENCE, with_next=True)
CONSOLE = after_undo("console", Console)

TRIP = Saga("book-trip", 1, Trip, BOOK_TRAIN, BOOK_HOTEL, CHARGE, SEND_TICKETS, THANK, CONSOLE)
TOGETHER = Saga("book-trip", 1, Trip, BOOK_TRAIN, BOOK_HOTEL, CHARGE, SEND_AND_THANK, THANK, CONSOLE)
"""The same, but whoever is thanked need not have the tickets yet."""
