"""Where the values of search parameters stand in a document: written by hand from the R4 text, not from the code.

A path is dotted; every list on it is followed. `telecom[system=phone]` keeps the items with that element,
`subject[->Patient]` the references to that type. `!Identifier`, `!Contact` and `!Coding` name the datatype where the
JSON alone does not show it. https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from decimal import Decimal

Parameter = tuple[str, tuple[str, ...]]


def _table(text: str) -> dict[str, Parameter]:
    found = {}
    for line in filter(str.strip, text.splitlines()):
        code, kind, *paths = line.split()
        found[code] = (kind, tuple(paths))
    return found


COMMON = _table("""
    _id             token      id
    _lastUpdated    date       meta.lastUpdated
    _profile        uri        meta.profile
    _source         uri        meta.source
    _tag            token      meta.tag!Coding
    _security       token      meta.security!Coding
""")

PERSON = """
    name            string     name
    address         string     address
    address-city    string     address.city
    address-country string     address.country
    address-state   string     address.state
    address-postalcode string  address.postalCode
    address-use     token      address.use
    identifier      token      identifier!Identifier
"""
HUMAN = """
    family          string     name.family
    given           string     name.given
    active          token      active
    gender          token      gender
    telecom         token      telecom!Contact
    phone           token      telecom[system=phone]!Contact
    email           token      telecom[system=email]!Contact
"""
EVENT = """
    identifier      token      identifier!Identifier
    code            token      code
    status          token      status
    encounter       reference  encounter
    subject         reference  subject
    patient         reference  subject[->Patient]
"""

TABLES: dict[str, dict[str, Parameter]] = {
    "Patient": _table(
        PERSON
        + HUMAN
        + """
        birthdate       date       birthDate
        death-date      date       deceasedDateTime
        language        token      communication.language
        organization    reference  managingOrganization
        general-practitioner reference generalPractitioner
        link            reference  link.other
    """
    ),
    "Practitioner": _table(PERSON + HUMAN),
    "Organization": _table(
        PERSON
        + """
        active          token      active
        type            token      type
        partof          reference  partOf
    """
    ),
    "Observation": _table(
        EVENT
        + """
        category        token      category
        combo-code      token      code component.code
        component-code  token      component.code
        combo-value-concept token  valueCodeableConcept component.valueCodeableConcept
        value-concept   token      valueCodeableConcept
        data-absent-reason token   dataAbsentReason
        method          token      method
        value-string    string     valueString valueCodeableConcept.text
        date            date       effectiveDateTime effectiveInstant effectivePeriod effectiveTiming
        value-date      date       valueDateTime valuePeriod
        value-quantity  quantity   valueQuantity valueSampledData
        component-value-quantity quantity component.valueQuantity component.valueSampledData
        combo-value-quantity quantity valueQuantity valueSampledData component.valueQuantity component.valueSampledData
        based-on        reference  basedOn
        specimen        reference  specimen
        performer       reference  performer
        device          reference  device
        has-member      reference  hasMember
        derived-from    reference  derivedFrom
        part-of         reference  partOf
        focus           reference  focus
    """
    ),
    "DiagnosticReport": _table(
        EVENT
        + """
        category        token      category
        conclusion      token      conclusionCode
        date            date       effectiveDateTime effectivePeriod
        issued          date       issued
        based-on        reference  basedOn
        performer       reference  performer
        result          reference  result
        results-interpreter reference resultsInterpreter
        specimen        reference  specimen
        media           reference  media.link
    """
    ),
    "ServiceRequest": _table(
        EVENT
        + """
        category        token      category
        intent          token      intent
        priority        token      priority
        body-site       token      bodySite
        requisition     token      requisition!Identifier
        authored        date       authoredOn
        occurrence      date       occurrenceDateTime occurrencePeriod occurrenceTiming
        requester       reference  requester
        performer       reference  performer
        specimen        reference  specimen
        based-on        reference  basedOn
        replaces        reference  replaces
        instantiates-uri uri       instantiatesUri
    """
    ),
    "Specimen": _table("""
        accession       token      accessionIdentifier!Identifier
        identifier      token      identifier!Identifier
        bodysite        token      collection.bodySite
        container       token      container.type
        container-id    token      container.identifier!Identifier
        status          token      status
        type            token      type
        collected       date       collection.collectedDateTime collection.collectedPeriod
        collector       reference  collection.collector
        parent          reference  parent
        subject         reference  subject
        patient         reference  subject[->Patient]
    """),
    "Encounter": _table("""
        class           token      class!Coding
        identifier      token      identifier!Identifier
        status          token      status
        type            token      type
        reason-code     token      reasonCode
        date            date       period
        subject         reference  subject
        patient         reference  subject[->Patient]
        participant     reference  participant.individual
        service-provider reference serviceProvider
        location        reference  location.location
        length          quantity   length
    """),
    "Condition": _table("""
        clinical-status token      clinicalStatus
        verification-status token  verificationStatus
        category        token      category
        code            token      code
        onset-date      date       onsetDateTime onsetPeriod
        recorded-date   date       recordedDate
        abatement-date  date       abatementDateTime abatementPeriod
        subject         reference  subject
        patient         reference  subject[->Patient]
        encounter       reference  encounter
    """),
    "Procedure": _table(
        EVENT
        + """
        date            date       performedDateTime performedPeriod
        reason-reference reference reasonReference
        location        reference  location
    """
    ),
    "MedicationRequest": _table("""
        code            token      medicationCodeableConcept
        status          token      status
        intent          token      intent
        authoredon      date       authoredOn
        subject         reference  subject
        patient         reference  subject[->Patient]
        requester       reference  requester
        medication      reference  medicationReference
    """),
    "Immunization": _table("""
        vaccine-code    token      vaccineCode
        status          token      status
        date            date       occurrenceDateTime
        patient         reference  patient
        location        reference  location
    """),
    "Claim": _table("""
        status          token      status
        use             token      use
        priority        token      priority
        created         date       created
        patient         reference  patient
        provider        reference  provider
        facility        reference  facility
        encounter       reference  item.encounter
    """),
    "CarePlan": _table("""
        category        token      category
        status          token      status
        intent          token      intent
        date            date       period
        subject         reference  subject
        patient         reference  subject[->Patient]
        care-team       reference  careTeam
        condition       reference  addresses
    """),
    "Location": _table("""
        name            string     name alias
        status          token      status
        identifier      token      identifier!Identifier
        address-city    string     address.city
        organization    reference  managingOrganization
    """),
    "RiskAssessment": _table("""
        probability     number     prediction.probabilityDecimal
        subject         reference  subject
    """),
    "ValueSet": _table("""
        url             uri        url
        status          token      status
        name            string     name
        title           string     title
        version         token      version
        date            date       date
    """),
}

# Composite -> the elements it is asked of ('' the resource itself), and the relative paths of its parts.
COMPOSITES: dict[tuple[str, str], tuple[tuple[str, ...], tuple[Parameter, ...]]] = {
    ("Observation", "code-value-quantity"): (
        ("",),
        (("token", ("code",)), ("quantity", ("valueQuantity", "valueSampledData"))),
    ),
    ("Observation", "code-value-concept"): (
        ("",),
        (("token", ("code",)), ("token", ("valueCodeableConcept",))),
    ),
    ("Observation", "component-code-value-quantity"): (
        ("component",),
        (("token", ("code",)), ("quantity", ("valueQuantity", "valueSampledData"))),
    ),
    ("Observation", "combo-code-value-quantity"): (
        ("", "component"),
        (("token", ("code",)), ("quantity", ("valueQuantity", "valueSampledData"))),
    ),
    ("Observation", "combo-code-value-concept"): (
        ("", "component"),
        (("token", ("code",)), ("token", ("valueCodeableConcept",))),
    ),
}


# Canonical units of the units in the test data: (unit, factor).
UNITS: dict[str, tuple[str, Decimal]] = {
    "g/dL": ("g/m3", Decimal(10000)),
    "mg/dL": ("g/m3", Decimal(10)),
    "g/L": ("g/m3", Decimal(1000)),
    "mg/L": ("g/m3", Decimal(1)),
    "ug/mL": ("g/m3", Decimal(1)),
    "ng/mL": ("g/m3", Decimal("0.001")),
    "ug/L": ("g/m3", Decimal("0.001")),
    "pg/mL": ("g/m3", Decimal("0.000001")),
    "cm": ("m", Decimal("0.01")),
    "mm": ("m", Decimal("0.001")),
    "m": ("m", Decimal(1)),
    "kg": ("g", Decimal(1000)),
    "g": ("g", Decimal(1)),
    "pg": ("g", Decimal("1e-12")),
    "min": ("s", Decimal(60)),
    "s": ("s", Decimal(1)),
    "%": ("1", Decimal("0.01")),
    "mg/g": ("1", Decimal("0.001")),
    "kU/L": ("U/L", Decimal(1000)),
    "U/L": ("U/L", Decimal(1)),
    "10*3/uL": ("/L", Decimal(10) ** 9),
    "10*6/uL": ("/L", Decimal(10) ** 12),
    "mL/min": ("mL/min", Decimal(1)),
    "mL/min/{1.73_m2}": ("mL/min", Decimal(1)),
}


def parameters(resource_type: str) -> dict[str, Parameter]:
    """Code -> (kind, paths) of what the oracle knows of a type."""
    return COMMON | TABLES[resource_type]
