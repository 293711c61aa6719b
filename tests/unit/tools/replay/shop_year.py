"""A shop's year in twenty-odd rows, with each kind of odd row in it."""

from __future__ import annotations

from pathlib import Path

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"

ROWS = """\
100001,20001,RED MUG,6,2011-01-03T09:00:00,2.55,17001,United Kingdom
100001,20002a,BLUE MUG,4,2011-01-03T09:00:00,1.005,17001,United Kingdom
100001,20001,RED MUG,2,2011-01-03T09:00:00,2.55,17001,United Kingdom
100001,POST,POSTAGE,1,2011-01-03T09:00:00,18.00,17001,United Kingdom
100002,20001,RED MUG,10,2011-01-20T10:00:00,2.10,17001,United Kingdom
100003,20002A,BLUE MUG,3,2011-02-01T11:00:00,1.25,,France
100003,DCGS0003,"BOXED, GLASS ASHTRAY",1,2011-02-01T11:01:00,4.00,,France
100004,20003,wet,-20,2011-02-02T11:00:00,0,,United Kingdom
100005,20003,found,5,2011-02-02T12:00:00,0,,United Kingdom
100005,20004,PADS,1,2011-02-02T12:00:00,0.001,17002,United Kingdom
A10006,B,Adjust bad debt,1,2011-02-03T12:00:00,-99.06,,United Kingdom
100007,gift_0001_10,Gift Voucher,1,2011-02-04T12:00:00,8.33,,United Kingdom
100008,20003,TEA POT,5,2011-02-05T12:00:00,10.00,17002,Norway
C10001,20001,RED MUG,-3,2011-01-25T09:00:00,2.55,17001,United Kingdom
C10002,20001,RED MUG,-12,2011-02-10T09:00:00,2.55,17001,United Kingdom
C10002,20002A,BLUE MUG,-4,2011-02-10T09:00:00,1.00,17001,United Kingdom
C10003,20001,RED MUG,-9,2011-02-11T09:00:00,2.55,17001,United Kingdom
C10004,20001,RED MUG,-1,2011-02-12T09:00:00,2.55,,United Kingdom
C10005,20003,TEA POT,-1,2011-02-05T11:59:00,10.00,17002,Norway
C10006,20003,TEA POT,-1,2011-02-05T12:00:00,10.00,17002,Norway
C10007,D,Discount,-1,2011-02-13T09:00:00,27.50,17001,United Kingdom
C10008,20003,TEA POT,-4,2011-03-01T12:00:00,10.00,17002,Norway
100009,M,Manual,1,2011-03-02T12:00:00,5.00,17003,United Kingdom
100010,20004,PADS,2,2011-03-03T12:00:00,0.50,17003,United Kingdom
"""


def write_year(folder: Path) -> Path:
    """Write the year as a CSV file."""
    path = folder / "year.csv"
    path.write_text(f"{HEADER}\n{ROWS}", encoding="utf-8")
    return path
