"""What vectorbt, Backtrader and TA-Lib give for the bars and decisions that stand in a JSON file, as JSON.

Independent of the project: it knows bars, decisions and the peers' own interfaces.
"""

import datetime
import json
import math
import sys

import backtrader as bt
import numpy as np
import pandas as pd
import talib
import vectorbt as vbt


def with_vectorbt(bars, given):
    """Signed sizes decided at closes, filled at the next open; equity at each close."""
    index = pd.to_datetime(bars["time"], unit="ms")
    size = pd.Series(np.nan, index=index)
    for at, qty in given["orders"]:
        size.iloc[at + 1] = qty
    close, opens = pd.Series(bars["close"], index=index), pd.Series(bars["open"], index=index)
    portfolio = vbt.Portfolio.from_orders(
        close, size=size, size_type="amount", direction="both", price=opens, fees=given["fee"], init_cash=given["cash"]
    )
    records = portfolio.orders.records
    signed = np.where(records["side"] == 0, 1.0, -1.0) * records["size"]
    fills = [[int(i), float(q), float(p), float(f)] for i, q, p, f in zip(records["idx"], signed, records["price"], records["fees"])]
    return {"fills": fills, "equity": [float(v) for v in portfolio.value()]}


class Walk(bt.Strategy):
    """One order at a time: an entry while flat, an exit of all while not; each kind, side and price from a table."""

    params = dict(table=None)

    def __init__(self):
        self.order, self.left, self.fills = None, 0, []

    def notify_order(self, order):
        if order.status == order.Completed:
            # Called before the bar's `next`: the fill is of the bar that has just ended.
            self.fills.append([len(self) - 1, order.executed.size, order.executed.price])
        # That an order was cancelled is heard of after the next one was placed.
        ended = order.status in (order.Completed, order.Canceled, order.Margin, order.Rejected)
        if ended and self.order is not None and order.ref == self.order.ref:
            self.order = None

    def next(self):
        at = len(self) - 1
        if self.order is not None:
            self.left -= 1
            if self.left > 0:
                return
            self.cancel(self.order)
            self.order = None
        row = self.p.table[at]
        if row is None:
            return
        kind, side, size, apart, bars = row
        if self.position.size != 0:
            side, size = -np.sign(self.position.size), abs(self.position.size)
        # A limit lies on the better side of the close, a stop on the worse one.
        price = self.data.close[0] * (1 - side * apart if kind == "limit" else 1 + side * apart)
        kinds = {"market": bt.Order.Market, "limit": bt.Order.Limit, "stop": bt.Order.Stop}
        act = self.buy if side > 0 else self.sell
        self.order = act(size=size, exectype=kinds[kind], price=None if kind == "market" else price)
        self.left = bars


def with_backtrader(bars, given):
    index = [datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=t) for t in bars["time"]]
    frame = pd.DataFrame({k: bars[k] for k in ("open", "high", "low", "close", "volume")}, index=pd.DatetimeIndex(index))
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.broker.setcash(given["cash"])
    cerebro.broker.setcommission(commission=0.0)
    cerebro.addstrategy(Walk, table=given["table"])
    strategy = cerebro.run()[0]
    return {"fills": strategy.fills, "equity": float(cerebro.broker.getvalue())}


def with_talib(bars, calls):
    out = {}
    known = set(talib.get_functions())
    for call in calls:
        name = call["name"]
        if name not in known:
            continue
        options = list(talib.abstract.Function(name).info["parameters"].items())
        columns = [np.array(bars[c], dtype=float) for c in call["inputs"]]
        result = getattr(talib, name)(*columns, **dict(options))
        result = result if isinstance(result, (tuple, list)) else [result]
        values = [[float(v) if math.isfinite(v) else None for v in np.asarray(r, dtype=float)] for r in result]
        out[name] = {"options": [float(v) for _, v in options], "outputs": values}
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    bars = given["bars"]
    json.dump(
        {
            "vectorbt": with_vectorbt(bars, given["vectorbt"]),
            "backtrader": with_backtrader(bars, given["backtrader"]),
            "talib": with_talib(bars, given["talib"]),
        },
        sys.stdout,
    )


main()
