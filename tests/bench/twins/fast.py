"""The FastAPI twin: Pydantic 2, PyMongo's async client, one shared httpx client."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import httpx
import jwt
from bson import Decimal128, ObjectId
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, BeforeValidator, Field
from pymongo import AsyncMongoClient

USERS, PRODUCTS, INVENTORY = (os.environ[f"{peer}_SERVICE_URL"] for peer in ("USER", "PRODUCT", "INVENTORY"))
KEY = os.environ["JWT_SHARED_KEY"]
SHOWN = {"$in": ["pending", "paid", "processing", "shipped", "delivered", "cancelled", "refunded"]}
NEWEST = [("created_at", -1), ("_id", -1)]

Id = Annotated[str, BeforeValidator(str)]
Money = Annotated[
    Decimal, BeforeValidator(lambda value: value.to_decimal() if isinstance(value, Decimal128) else value)
]


class NewItem(BaseModel):
    product_id: str = Field(max_length=24)
    quantity: int = Field(ge=1)
    price: Money


class Item(NewItem):
    name: str = ""
    sku: str = ""
    image_url: str = ""
    split_from: int | None = None
    removed: str | None = None


class Address(BaseModel):
    name: str | None = ""
    company: str | None = ""
    line1: str
    line2: str | None = ""
    city: str
    state: str | None = ""
    postal_code: str
    country: str
    phone: str | None = ""


class Contact(BaseModel):
    name: str = ""
    email: str = ""
    phone: str = ""


class Charge(BaseModel):
    kind: str
    label: str = ""
    amount: Money


class Shipment(BaseModel):
    at: datetime
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""


class Return(BaseModel):
    at: datetime
    received_at: datetime | None = None
    restocked: bool | None = None


class Refund(BaseModel):
    at: datetime
    amount: Money
    reference: str = ""


class Payment(Refund):
    method: str = ""


class NewOrder(BaseModel):
    user_id: str
    items: list[NewItem] = Field(min_length=1)
    shipping_address: Address


class Order(BaseModel):
    id: Id = Field(alias="_id")
    number: str
    user_id: str
    user_verified: bool
    status: str
    version: int
    items: list[Item]
    charges: list[Charge] = []
    total_price: Money
    currency: str = "EUR"
    contact: Contact = Contact()
    shipping_address: Address
    billing_address: Address | None = None
    reference: str = ""
    note: str = ""
    metadata: dict[str, str] = {}
    held_at: datetime | None = None
    shipments: list[Shipment] = []
    returns: list[Return] = []
    paid: Money | None = None
    refunded: Money | None = None
    owed: Money | None = None
    payments: list[Payment] = []
    refunds: list[Refund] = []
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None
    refunded_at: datetime | None = None


class Status(BaseModel):
    status: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        os.environ["MONGODB_URI"], w="majority", readConcernLevel="majority", timeoutMS=10_000
    )
    app.state.orders = client[os.environ["MONGODB_DB"]]["orders"]
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        app.state.http = http
        yield
    await client.close()


def caller(authorization: Annotated[str, Header()] = "") -> None:
    try:
        jwt.decode(authorization.removeprefix("Bearer "), KEY, algorithms=["HS256"])
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error


app = FastAPI(lifespan=lifespan, dependencies=[Depends(caller)])
PREFIX = "/api/v1/orders"


async def ask(method: str, url: str, **options: Any) -> Any:
    answer = await app.state.http.request(method, url, **options)
    answer.raise_for_status()
    return answer.json()


async def page(query: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await app.state.orders.find(
        {"status": SHOWN} | query, sort=NEWEST, limit=limit
    ).to_list()
    return found


@app.get(PREFIX + "/", response_model=list[Order])
async def list_orders(
    status: str | None = None,
    user_id: str | None = None,
    start_date: datetime | None = None,
    end_date: datetime | None = None,
    limit: int = 20,
) -> Any:
    asked = {"status": status, "user_id": user_id}
    query: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if start_date:
        query["created_at"] = {"$gte": start_date, "$lt": end_date}
    return await page(query, limit)


@app.get(PREFIX + "/user/{user_id}", response_model=list[Order])
async def list_user_orders(user_id: str, limit: int = 20) -> Any:
    return await page({"user_id": user_id}, limit)


@app.get(PREFIX + "/{order_id}", response_model=Order)
async def get_order(order_id: str) -> Any:
    if found := await app.state.orders.find_one({"_id": ObjectId(order_id), "status": SHOWN}):
        return found
    raise HTTPException(404)


@app.post(PREFIX + "/", response_model=Order, status_code=201)
async def place_order(order: NewOrder) -> Any:
    lines = [{"product_id": item.product_id, "quantity": item.quantity} for item in order.items]
    user, *_ = await asyncio.gather(
        ask("GET", f"{USERS}/users/{order.user_id}/verify"),
        *(ask("GET", f"{PRODUCTS}/products/{line['product_id']}") for line in lines),
        *(ask("GET", f"{INVENTORY}/inventory/check", params=line) for line in lines),
    )
    if not user["valid"]:
        raise HTTPException(400)
    await asyncio.gather(*(ask("POST", f"{INVENTORY}/inventory/reserve", json=line) for line in lines))
    now = datetime.now(UTC)
    items = [
        item.model_dump() | {"price": Decimal128(item.price), "stock": {"state": "reserved"}} for item in order.items
    ]
    total = sum((item.price * item.quantity for item in order.items), Decimal(0))
    document = {
        "number": "TWIN-TWIN-TWIN", "user_id": order.user_id, "user_verified": True, "status": "pending", "version": 1,
        "items": items, "total_price": Decimal128(total), "shipping_address": order.shipping_address.model_dump(),
        "history": [], "created_at": now, "updated_at": now,
    }  # fmt: skip
    await app.state.orders.insert_one(document)
    return document


@app.put(PREFIX + "/{order_id}/status", response_model=Order)
async def change_status(order_id: str, wanted: Status) -> Any:
    fields = {"status": wanted.status, "updated_at": datetime.now(UTC)}
    guard = {"_id": ObjectId(order_id), "status": "paid"}
    if found := await app.state.orders.find_one_and_update(
        guard, {"$set": fields, "$inc": {"version": 1}}, return_document=True
    ):
        return found
    raise HTTPException(409)


@app.delete(PREFIX + "/{order_id}", status_code=204)
async def cancel_order(order_id: str) -> Response:
    order = await app.state.orders.find_one({"_id": ObjectId(order_id), "status": "pending"})
    if order is None:
        raise HTTPException(409)
    lines = [{"product_id": item["product_id"], "quantity": item["quantity"]} for item in order["items"]]
    await asyncio.gather(*(ask("POST", f"{INVENTORY}/inventory/release", json=line) for line in lines))
    await app.state.orders.update_one({"_id": order["_id"]}, {"$set": {"status": "cancelled"}, "$inc": {"version": 1}})
    return Response(status_code=204)
