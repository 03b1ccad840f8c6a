"""The walk over the segments: which result belongs to which order, specimen and patient.

Not a grammar but a small state machine, because real senders change the order of segments. Every segment ends in the
structure or in `unmapped`; every OBX ends in the structure. ORU_R01: HL7 v2.5.1 chapter 7.3.1,
https://www.hl7.eu/HL7v2x/v251/std251/ch07.html#Heading19
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fhir_lab.ingest.hl7v2.message import Message, Segment


@dataclass(slots=True)
class Result:
    """An OBX with its notes and participants."""

    obx: Segment
    notes: list[Segment] = field(default_factory=list)
    participants: list[Segment] = field(default_factory=list)


@dataclass(slots=True)
class Sample:
    """An SPM with its notes, and the results that are about the specimen itself."""

    spm: Segment
    notes: list[Segment] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)


@dataclass(slots=True)
class Order:
    """An ORC, an OBR or both, and what follows them."""

    orc: Segment | None = None
    obr: Segment | None = None
    timing: Segment | None = None
    order_notes: list[Segment] = field(default_factory=list)
    report_notes: list[Segment] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def every_result(self) -> Iterator[Result]:
        """The results of the order and those about its specimens."""
        yield from self.results
        for sample in self.samples:
            yield from sample.results


@dataclass(slots=True)
class Group:
    """One patient and what belongs to that patient; `results` came before any order."""

    pid: Segment | None = None
    pd1: Segment | None = None
    pv1: Segment | None = None
    kin: list[Segment] = field(default_factory=list)
    notes: list[Segment] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)

    def every_result(self) -> Iterator[Result]:
        """All results of this patient."""
        yield from self.results
        for order in self.orders:
            yield from order.every_result()


@dataclass(slots=True)
class Structure:
    """A message, grouped. `unmapped` holds the segments that have no place in it."""

    groups: list[Group]
    unmapped: list[Segment]


def walk(message: Message) -> Structure:
    """Group the segments of a message."""
    walker = _Walker()
    for segment in message.segments[1:]:
        walker.take(segment)
    walker.end()
    return Structure([group for group in walker.groups if group != Group()], walker.unmapped)


class _Walker:
    """The state: the open patient, order and specimen, and whose notes come next."""

    def __init__(self) -> None:
        self.group = Group()
        self.groups = [self.group]
        self.order: Order | None = None
        self.sample: Sample | None = None
        self.waiting: list[Sample] = []  # specimens that came before their order
        self.specimen_first = False
        self.result: Result | None = None
        self.notes: list[Segment] | None = None
        self.unmapped: list[Segment] = []
        self.steps: dict[str, Callable[[Segment], None]] = {
            "PID": self._pid,
            "PD1": self._pd1,
            "NK1": self._nk1,
            "PV1": self._pv1,
            "ORC": self._orc,
            "OBR": self._obr,
            "TQ1": self._tq1,
            "OBX": self._obx,
            "SPM": self._spm,
            "NTE": self._nte,
            "PRT": self._prt,
        }

    def take(self, segment: Segment) -> None:
        self.steps.get(segment.name, self.unmapped.append)(segment)

    def end(self) -> None:
        """Specimens that no order came for belong to the last one."""
        if self.waiting and self.order is not None:
            self.order.samples.extend(self.waiting)
        else:
            self.unmapped.extend(sample.spm for sample in self.waiting)
        self.waiting = []

    def _pid(self, segment: Segment) -> None:
        self.end()
        if self.group != Group():
            self.group = Group()
            self.groups.append(self.group)
        self.group.pid = segment
        self.order = self.sample = self.result = None
        self.specimen_first = False
        self.notes = self.group.notes

    def _pd1(self, segment: Segment) -> None:
        if self.group.pd1 is None:
            self.group.pd1 = segment
        else:
            self.unmapped.append(segment)
        self.notes = self.group.notes

    def _nk1(self, segment: Segment) -> None:
        self.group.kin.append(segment)
        self.notes = self.group.notes

    def _pv1(self, segment: Segment) -> None:
        """The visit is the patient's, wherever it is sent."""
        if self.group.pv1 is None:
            self.group.pv1 = segment
        else:
            self.unmapped.append(segment)
        self.notes = self.group.notes

    def _orc(self, segment: Segment) -> None:
        order = self.order
        late = (
            order is not None
            and order.orc is None
            and order.obr is not None
            and not order.results
            and not order.samples
            and any(segment[number].raw and segment[number].raw == order.obr[number].raw for number in (2, 3))
        )
        if late and order is not None:
            order.orc = segment
        else:
            order = self._open(Order(orc=segment))
        self.notes = order.order_notes

    def _obr(self, segment: Segment) -> None:
        order = self.order
        if order is None or order.obr is not None or order.results:
            order = self._open(Order())
        order.obr = segment
        self.notes = order.report_notes

    def _open(self, order: Order) -> Order:
        order.samples.extend(self.waiting)
        self.waiting = []
        self.order = order
        self.sample = self.result = None
        self.group.orders.append(order)
        return order

    def _tq1(self, segment: Segment) -> None:
        if self.order is None or self.order.timing is not None:
            self.unmapped.append(segment)
        else:
            self.order.timing = segment

    def _obx(self, segment: Segment) -> None:
        self.result = Result(segment)
        self.notes = self.result.notes
        if self.order is None:
            self.group.results.append(self.result)
        elif self.sample is not None:
            self.sample.results.append(self.result)
        else:
            self.order.results.append(self.result)

    def _spm(self, segment: Segment) -> None:
        """Results that follow a specimen are about the specimen, unless the order's own results are still to come."""
        sample = Sample(segment)
        self.notes = sample.notes
        self.result = None
        order = self.order
        if order is None or (self.specimen_first and order.results):
            self.specimen_first = True
            self.waiting.append(sample)
        else:
            order.samples.append(sample)
            self.sample = sample if order.results else None

    def _nte(self, segment: Segment) -> None:
        (self.unmapped if self.notes is None else self.notes).append(segment)

    def _prt(self, segment: Segment) -> None:
        (self.unmapped if self.result is None else self.result.participants).append(segment)
