"""The built-in sample: a seeded generator of customers like those of IBM's Telco churn file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.sources.samples import telco_tables as table
from trainer.sources.samples.arguments import check_arguments

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Integers = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]
    Customers = dict[str, Integers]
    """Codes of the categorical columns (positions in VALUES), months, and prices in units of PRICE_STEP."""

PUBLISHED_ROWS = 7043
TWO_YEAR = NO_INTERNET = NO_PHONE = 2
"""Codes of these categories in their columns."""


@dataclass(frozen=True)
class TelcoSample:
    """Customers and the truth about them."""

    frame: pl.DataFrame
    """The 21 published columns with their quirks: TotalCharges is text, and one blank where tenure is 0."""
    risk: Floats
    """Each row's true churn probability, from which Churn was drawn; its ROC-AUC is the best attainable."""


def generate_telco(rows: int = PUBLISHED_ROWS, seed: int = 42, drift: float = 0.0) -> TelcoSample:
    """Draw customers; the same arguments give the same rows on every call and machine.

    The mean risk is 0.265; at the default size its ROC-AUC against Churn is .83 to .87, whatever the seed.
    `drift` moves tenure and MonthlyCharges by that many standard deviations of the undrifted columns (within their
    ranges: tenure 0 to 120 months, no negative charge), and a share of 1 - exp(-|drift|) of the rows to one value in
    each of SeniorCitizen, Partner, PaperlessBilling and PaymentMethod. Each row keeps its risk and its Churn, so a
    model from before the drift is out of date, and one that is trained after it can be as good as ever.
    Raises ConfigurationError for fewer than 100 rows, a negative seed or a drift that is not finite.
    """
    import numpy as np

    check_arguments("telco", rows, seed, drift)
    random = np.random.Generator(np.random.PCG64(seed))
    ids = random.choice(10**4 * 26**5, size=rows, replace=False)
    customers = _draw_customers(rows, random)
    billing = _triangular(rows, random)
    risk = _risk(customers)
    churn = _draw_churn(risk, random)
    return TelcoSample(_to_frame(ids, _drift(customers, drift, random), billing, churn), risk)


def _draw_customers(rows: int, random: np.random.Generator) -> Customers:
    import numpy as np

    customers = {
        "gender": _draw_yes(np.full(rows, table.MALE_SHARE), random),
        "SeniorCitizen": _draw_yes(np.full(rows, table.SENIOR_SHARE), random),
        "Partner": _draw_yes(np.full(rows, table.PARTNER_SHARE), random),
    }
    senior, partner = customers["SeniorCitizen"], customers["Partner"]
    customers["Dependents"] = _draw_yes(np.asarray(table.DEPENDENTS_SHARES)[senior, partner], random)
    customers["Contract"] = _draw_kind(np.asarray(table.CONTRACT_SHARES)[partner, customers["Dependents"]], random)
    customers["tenure"] = _draw_tenure(customers["Contract"], partner, random)
    tenure_band = np.digitize(customers["tenure"], table.INTERNET_TENURES, right=True)
    internet_shares = np.asarray(table.INTERNET_SHARES)[customers["Contract"], senior, tenure_band]
    customers["InternetService"] = _draw_kind(internet_shares, random)
    return customers | _draw_services(customers, random)


def _draw_tenure(contract: Integers, partner: Integers, random: np.random.Generator) -> Integers:
    import numpy as np

    position, newness = random.random(len(contract)), random.random(len(contract))
    tenure = np.zeros(len(contract), dtype=np.int64)
    for kind, by_partner in enumerate(table.TENURE_DECILES):
        for code, deciles in enumerate(by_partner):
            chosen = (contract == kind) & (partner == code)
            tenure[chosen] = np.rint(np.interp(position[chosen], np.arange(11) / 10, deciles))
    # As published: only customers with a yearly contract are on file before their first month.
    order = np.argsort(newness + (contract == 0), kind="stable")
    tenure[order[: max(1, round(table.NEW_CUSTOMERS * len(contract)))]] = 0
    return tenure


def _draw_services(customers: Customers, random: np.random.Generator) -> Customers:
    import numpy as np

    contract, internet = customers["Contract"], customers["InternetService"]
    traits = (customers["tenure"] / 12, contract == 1, contract == TWO_YEAR, internet == 1, internet == NO_INTERNET)
    said_yes = {
        name: _draw_yes(_sigmoid(base + sum(b * t for b, t in zip(effects, traits, strict=True))), random)
        for name, (base, *effects) in table.PROPENSITIES.items()
    }
    phone = 1 - _draw_yes(np.where(internet == 0, table.NO_PHONE_ON_DSL, 0.0), random)
    by_hand = np.where(said_yes.pop("mails a check") == 1, 1, 0)
    automatic = 2 + _draw_yes(np.full(len(phone), 0.5), random)
    services = {"PhoneService": phone, "PaperlessBilling": said_yes.pop("PaperlessBilling")}
    services["PaymentMethod"] = np.where(said_yes.pop("pays automatically") == 1, automatic, by_hand)
    services["MultipleLines"] = np.where(phone == 0, NO_PHONE, said_yes.pop("MultipleLines"))
    services |= {name: np.where(internet == NO_INTERNET, NO_INTERNET, yes) for name, yes in said_yes.items()}
    return services | {"MonthlyCharges": _price(services, internet, random)}


def _price(services: Customers, internet: Integers, random: np.random.Generator) -> Integers:
    import numpy as np

    dollars = np.asarray(table.INTERNET_PRICES)[internet] + table.PRICE_SPREAD * _triangular(len(internet), random)
    for name, price in table.PRICES.items():
        dollars += price * (services[name] == 1)
    return np.rint(dollars / table.PRICE_STEP).astype(np.int64)


def _drift(customers: Customers, drift: float, random: np.random.Generator) -> Customers:
    """Move columns of the customers; a drift of 0.0 moves nothing."""
    import numpy as np

    tenure, price = customers["tenure"], customers["MonthlyCharges"]
    # Rounded up as often as the fraction says, so that the mean moves by the drift exactly.
    later = np.floor(tenure + drift * tenure.std() + random.random(len(tenure))).astype(np.int64)
    dearer = price + round(drift * float(price.std()))
    moved = customers | {
        "tenure": np.where(tenure == 0, 0, np.clip(later, 1, table.LONGEST_TENURE)),
        "MonthlyCharges": np.maximum(dearer, 0),
    }
    for name, code in table.DRIFTS_TO.items():
        moves = random.random(len(tenure)) < -math.expm1(-abs(drift))
        moved[name] = np.where(moves, code, customers[name])
    return moved


def _risk(customers: Customers) -> Floats:
    """Each customer's churn probability, rounded so that the last bit of a processor's exp() shows nowhere."""
    import numpy as np

    log_odds = _log_odds(customers)
    return np.round(_sigmoid(log_odds + _solve_intercept(log_odds)), 9)


def _log_odds(customers: Customers) -> Floats:
    import numpy as np

    monthly = customers["Contract"] == 0
    log_odds = table.TENURE_EFFECT * np.sqrt(customers["tenure"] / 12)
    log_odds += table.FIBER_BY_MONTH_EFFECT * (monthly & (customers["InternetService"] == 1))
    log_odds += table.SENIOR_BY_MONTH_EFFECT * (monthly & (customers["SeniorCitizen"] == 1))
    for name, effects in table.EFFECTS.items():
        log_odds += np.asarray(effects)[customers[name]]
    return np.asarray(table.STEEPNESS * log_odds)


def _solve_intercept(log_odds: Floats) -> float:
    """Find what the log odds lack for a mean risk of CHURN_RATE, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        too_low = float(_sigmoid(log_odds + middle).mean()) < table.CHURN_RATE
        low, high = (middle, high) if too_low else (low, middle)
    return (low + high) / 2


def _draw_churn(risk: Floats, random: np.random.Generator) -> Integers:
    """1 with each row's risk, and in every group of like risk as often as the risks add up to.

    Systematic sampling (Madow 1949): a row leaves where the running total of risks passes the next whole number after
    a random start. Each row's probability is its risk; only the chance in the totals is taken out.
    """
    import numpy as np

    order = np.argsort(np.floor(risk * table.RISK_GROUPS), kind="stable")
    passed = np.floor(np.cumsum(risk[order]) + random.random())
    churn = np.zeros(len(risk), dtype=np.int64)
    churn[order] = np.diff(passed, prepend=0.0) > 0
    return churn


def _to_frame(ids: Integers, customers: Customers, billing: Floats, churn: Integers) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    tenure, price = customers["tenure"], customers["MonthlyCharges"]
    deviation = np.where(tenure > 1, table.BILLING_SPREAD * billing / np.sqrt(np.maximum(tenure, 1)), 0.0)
    total = np.rint(price * tenure * (1 + deviation))
    steps = round(1 / table.PRICE_STEP)
    columns = {name: pl.Series(texts)[customers[name]] for name, texts in table.VALUES.items()}
    columns["SeniorCitizen"] = pl.Series(customers["SeniorCitizen"])
    columns["tenure"] = pl.Series(tenure)
    columns["MonthlyCharges"] = pl.Series(price / steps)
    columns["customerID"] = _to_customer_ids(ids)
    columns["TotalCharges"] = _to_texts(total / steps, blank=tenure == 0)
    columns["Churn"] = pl.Series(table.YES_NO)[churn]
    return pl.DataFrame({name: columns[name] for name in table.COLUMNS})


def _to_texts(values: Floats, blank: npt.NDArray[np.bool_]) -> pl.Series:
    """Numbers as published: without a decimal point where they are whole."""
    import polars as pl

    texts = pl.Series(values).cast(pl.String).str.strip_suffix(".0")
    return texts.set(pl.Series(blank), " ")


def _to_customer_ids(numbers: Integers) -> pl.Series:
    """Four digits, a hyphen and five capitals; each number below 10^4 * 26^5 has its own."""
    import numpy as np
    import polars as pl

    characters = np.full((len(numbers), 10), ord("-"), dtype=np.uint8)
    digits, letters = np.divmod(numbers, 26**5)
    for place in range(4):
        characters[:, 3 - place] = ord("0") + digits // 10**place % 10
    for place in range(5):
        characters[:, 9 - place] = ord("A") + letters // 26**place % 26
    return pl.Series(characters.view("S10").ravel().astype("U10"))


def _draw_yes(probability: Floats, random: np.random.Generator) -> Integers:
    import numpy as np

    return (random.random(len(probability)) < probability).astype(np.int64)


def _draw_kind(shares: Floats, random: np.random.Generator) -> Integers:
    """One code per row of a (rows, kinds) table of shares."""
    import numpy as np

    limits = np.cumsum(shares, axis=1)[:, :-1]
    return np.asarray((random.random((len(shares), 1)) >= limits).sum(axis=1))


def _triangular(rows: int, random: np.random.Generator) -> Floats:
    """Between -1 and 1, most often near 0; arithmetic alone, so equal on every machine."""
    return random.random(rows) + random.random(rows) - 1


def _sigmoid(log_odds: Floats) -> Floats:
    import numpy as np

    return np.asarray(1 / (1 + np.exp(-log_odds)))
