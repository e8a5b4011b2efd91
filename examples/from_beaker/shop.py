"""A shop of Bottle on Beaker, which moves to sessionware in two commits: the patches beside this file.

In a copy of this folder, serve it before the first commit, between the two, and after them; it does the same each time:

    pip install bottle Beaker gunicorn sessionware
    export SESSION_SECRET=$(sessionware secret)
    gunicorn shop:app

The first commit changes one import, ``git apply 1-change-one-import.patch``: from then on cookies and ids are safe as
they come. The second, ``git apply 2-take-its-own-names.patch``, takes sessionware's own names. Sessions go on over it.
"""

import os

import bottle
from beaker.middleware import SessionMiddleware

shop = bottle.Bottle()


def current():
    return bottle.request.environ["beaker.session"]


@shop.post("/login")
def log_in():
    session = current()
    session.regenerate_id()
    session["user"] = bottle.request.forms.user
    session.save()
    return f"Welcome, {session['user']}\n"


@shop.post("/cart")
def add():
    session = current()
    cart = session.setdefault("cart", [])
    cart.append(bottle.request.forms.item)
    session.save()
    return f"{len(cart)} in the cart\n"


@shop.get("/")
def show():
    session = current()
    return {"user": session.get("user"), "cart": session.get("cart", [])}


@shop.post("/logout")
def log_out():
    current().delete()
    return "Good-bye\n"


app = SessionMiddleware(
    shop,
    {
        "session.type": "file",
        "session.data_dir": "sessions",
        "session.data_serializer": "json",
        "session.secret": os.environ["SESSION_SECRET"],
        "session.timeout": 1800,
    },
)
