// A storefront's steps with the typescript-fetch client of openapi-generator; prints what it saw.
import { Configuration, OrdersApi, OrderStatus, ProblemFromJSON, ResponseError } from "./generated";

declare const process: { env: Record<string, string> };

const api = new OrdersApi(new Configuration({ basePath: process.env.BASE, accessToken: process.env.TOKEN }));

const place = () =>
  api.placeOrder({
    idempotencyKey: process.env.KEY,
    placeOrderRequest: {
      userId: "1",
      items: [{ productId: process.env.PRODUCT, quantity: 2, price: process.env.PRICE }],
      shippingAddress: { line1: "1 Long Street", city: "Springfield", postalCode: "12345", country: "Freedonia" },
      contact: { name: "Margaret", phone: "555 0199" },
    },
  });

async function main(): Promise<void> {
  const placed = await place();
  const again = await place();
  const read = await api.getOrder({ orderId: placed.id });
  const listed = await api.listOrders({ status: OrderStatus.Pending, limit: 100 });
  const cancelled = await api.changeOrderStatus({
    orderId: placed.id,
    statusRequest: { status: OrderStatus.Cancelled }, // `reason` may be left out
  });
  const refused: Response = await api.cancelOrder({ orderId: placed.id }).then(
    () => Promise.reject(new Error("cancelled twice")),
    (error: ResponseError) => error.response,
  );
  const problem = ProblemFromJSON(await refused.json());
  const price: string = read.items[0].price; // text, checked where this is compiled
  const created: Date = read.createdAt;
  console.log(
    JSON.stringify({
      id: placed.id,
      again: again.id,
      read: created ? read.id : undefined,
      listed: listed.map((order) => order.id),
      price,
      names: [read.contact.name, read.items[0].name],
      total: read.totalPrice,
      status: cancelled.status,
      refused: refused.status,
      code: problem.code,
      current_status: problem.currentStatus,
    }),
  );
}

main();
