// A storefront's steps with the client of openapi-typescript and openapi-fetch; prints what it saw.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

declare const process: { env: Record<string, string> };

const client = createClient<paths>({
  baseUrl: process.env.BASE,
  headers: { Authorization: `Bearer ${process.env.TOKEN}` },
});

const place = () =>
  client.POST("/api/v1/orders/", {
    params: { header: { "Idempotency-Key": process.env.KEY } },
    body: {
      user_id: "1",
      items: [{ product_id: process.env.PRODUCT, quantity: 2, price: process.env.PRICE }],
      shipping_address: { line1: "1 Long Street", city: "Springfield", postal_code: "12345", country: "Freedonia" },
      contact: { name: "Margaret", phone: "555 0199" },
    },
  });

const { data: placed } = await place();
if (!placed) throw new Error("not placed");
const { data: again } = await place();
const path = { order_id: placed.id };
const { data: read } = await client.GET("/api/v1/orders/{order_id}", { params: { path } });
const { data: listed } = await client.GET("/api/v1/orders/", { params: { query: { status: "pending", limit: 100 } } });
const { data: cancelled } = await client.PUT("/api/v1/orders/{order_id}/status", {
  params: { path },
  body: { status: "cancelled" }, // `reason` may be left out
});
const { error, response } = await client.DELETE("/api/v1/orders/{order_id}", { params: { path } });

// Kinds are checked where this is compiled: prices are text, the status is one enum.
const price: string | undefined = read?.items[0].price;
const status: "cancelled" | "pending" | "paid" | "processing" | "shipped" | "delivered" | "refunded" | undefined =
  cancelled?.status;
console.log(
  JSON.stringify({
    id: placed.id,
    again: again?.id,
    read: read?.id,
    listed: listed?.map((order) => order.id),
    price,
    names: [read?.contact.name, read?.items[0].name],
    total: read?.total_price,
    status,
    refused: response.status,
    code: error?.code,
    current_status: error?.current_status,
  }),
);
