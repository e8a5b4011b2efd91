"""A shop of Bottle on Beaker, which moves to sessionware in two commits: the patches beside this file.

Work in a copy of this folder, with a Python that has sessionware, and let git keep the copy::

    cp -r from_beaker ~/shop && cd ~/shop
    git init && git add shop.py && git commit -m "A shop on Beaker"
    pip install bottle Beaker gunicorn
    export SESSION_SECRET=$(sessionware secret)
    gunicorn shop:app

Open http://localhost:8000, stop the server, make the first commit, and serve again; then the second. The page is the
same each time::

    git am 1-change-one-import.patch
    git am 2-take-its-own-names.patch

The first commit changes one import: from then on cookies and ids are safe as they come, and everybody signs in once
more. The second takes sessionware's own names, and sessions go on over it.
"""

import os

import bottle
from beaker.middleware import SessionMiddleware

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shop</title>
<style>
body { max-width: 32rem; margin: 2rem auto; padding: 0 1rem; font: 1.05rem/1.6 system-ui, sans-serif }
label { display: block }
input, button { padding: .4rem .8rem; font: inherit }
</style>
<h1>Shop</h1>
<p>{{"The cart is empty." if not cart else "In the cart:"}}</p>
<ul>
% for item in cart:
<li>{{item}}</li>
% end
</ul>
<form method="post" action="/cart">
<p><label for="item">What to buy</label> <input id="item" name="item" required> <button>Add</button></p>
</form>
% if user:
<p>Signed in as <b>{{user}}</b>.</p>
<form method="post" action="/logout"><button>Sign out</button></form>
% else:
<p>{{message}}Sign in as <b>ada</b>, with the password <b>tea</b>.</p>
<form method="post" action="/login">
<p><label for="user">Name</label> <input id="user" name="user" required autocomplete="username"></p>
<p><label for="password">Password</label>
<input id="password" name="password" type="password" required autocomplete="current-password"></p>
<button>Sign in</button>
</form>
% end
</html>
"""

shop = bottle.Bottle()


def current():
    return bottle.request.environ["beaker.session"]


@shop.get("/")
def show(message=""):
    session = current()
    bottle.response.set_header("Cache-Control", "no-store")
    return bottle.template(PAGE, cart=session.get("cart", []), user=session.get("user"), message=message)


@shop.post("/login")
def log_in():
    if (bottle.request.forms.user, bottle.request.forms.password) != ("ada", "tea"):
        return show("That was wrong. ")
    session = current()
    session.regenerate_id()
    session["user"] = bottle.request.forms.user
    session.save()
    return bottle.redirect("/", 303)


@shop.post("/cart")
def add():
    session = current()
    session.setdefault("cart", []).append(bottle.request.forms.item)
    session.save()
    bottle.redirect("/", 303)


@shop.post("/logout")
def log_out():
    current().delete()
    bottle.redirect("/", 303)


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
