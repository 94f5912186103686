import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.OrdersApi;
import org.openapitools.client.model.AddressRequest;
import org.openapitools.client.model.ContactRequest;
import org.openapitools.client.model.ItemRequest;
import org.openapitools.client.model.Order;
import org.openapitools.client.model.OrderStatus;
import org.openapitools.client.model.PlaceOrderRequest;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.StatusRequest;

/** A storefront's steps with the Java client of openapi-generator; prints what it saw. */
public class Use {
    private static String env(String name) {
        return System.getenv(name);
    }

    private static Order place(OrdersApi api) throws ApiException {
        ItemRequest item = new ItemRequest().productId(env("PRODUCT")).quantity(2).price(env("PRICE"));
        AddressRequest address = new AddressRequest()
            .line1("1 Long Street").city("Springfield").postalCode("12345").country("Freedonia");
        ContactRequest contact = new ContactRequest().name("Margaret").phone("555 0199");
        PlaceOrderRequest body = new PlaceOrderRequest()
            .userId("1").items(List.of(item)).shippingAddress(address).contact(contact);
        return api.placeOrder(
            OrdersApi.APIPlaceOrderRequest.newBuilder().placeOrderRequest(body).idempotencyKey(env("KEY")).build());
    }

    public static void main(String[] arguments) throws Exception {
        ApiClient client = new ApiClient();
        client.updateBaseUri(env("BASE"));
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + env("TOKEN")));
        OrdersApi api = new OrdersApi(client);
        Order placed = place(api);
        Order again = place(api);
        Order read = api.getOrder(OrdersApi.APIGetOrderRequest.newBuilder().orderId(placed.getId()).build());
        List<String> listed = api.listOrders(
                OrdersApi.APIListOrdersRequest.newBuilder().status("pending").limit(100).build())
            .stream().map(Order::getId).toList();
        StatusRequest asked = new StatusRequest().status(OrderStatus.CANCELLED);  // `reason` may be left out
        Order cancelled = api.changeOrderStatus(
            OrdersApi.APIChangeOrderStatusRequest.newBuilder().orderId(placed.getId()).statusRequest(asked).build());
        int refused = 0;
        Problem problem = new Problem();
        try {
            api.cancelOrder(OrdersApi.APICancelOrderRequest.newBuilder().orderId(placed.getId()).build());
        } catch (ApiException error) {
            refused = error.getCode();
            problem = client.getObjectMapper().readValue(error.getResponseBody(), Problem.class);
        }
        String price = read.getItems().get(0).getPrice();
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("id", placed.getId());
        seen.put("again", again.getId());
        seen.put("read", read.getId());
        seen.put("listed", listed);
        seen.put("price", price);
        seen.put("names", List.of(read.getContact().getName(), read.getItems().get(0).getName()));
        seen.put("total", read.getTotalPrice());
        seen.put("status", cancelled.getStatus().getValue());
        seen.put("refused", refused);
        seen.put("code", problem.getCode());
        seen.put("current_status", problem.getCurrentStatus().getValue());
        System.out.println(new ObjectMapper().writeValueAsString(seen));
    }
}
