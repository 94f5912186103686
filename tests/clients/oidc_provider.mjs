// A real OpenID provider for the tests: `node oidc_provider.mjs ISSUER REDIRECT_URI AFTER_LOG_OUT`, until its stdin ends.
//
// Whoever logs in is who they say: its built-in form takes any login, which is the subject, and any password. What it
// says of them is what a line of JSON on stdin, {"subject": {claims}}, has last said. Version 8 of the package is the last
// that runs on Debian 12's Node.
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const [issuer, redirect, afterwards] = process.argv.slice(2);
let people = {};

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "order-service",
      client_secret: "a secret/of our own+",
      redirect_uris: [redirect],
      post_logout_redirect_uris: [afterwards],
    },
  ],
  claims: { openid: ["sub"], profile: ["preferred_username", "given_name", "groups"], email: ["email", "email_verified"] },
  cookies: { keys: ["a key of the tests"] },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
  loadExistingGrant: async (ctx) => {
    const { accountId } = ctx.oidc.session;
    const grant = new ctx.oidc.provider.Grant({ accountId, clientId: ctx.oidc.client.clientId });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
});

createInterface({ input: process.stdin })
  .on("line", (line) => {
    people = JSON.parse(line);
    console.log("heard");
  })
  .on("close", () => process.exit());
provider.listen(new URL(issuer).port, "127.0.0.1", () => console.log("ready"));
