// ReDoc shows its maker's logo from another site, which would learn of each visit. Without it, its page needs no other.
const ours = (address) => (String(address).startsWith("https://cdn.redoc.ly/") ? "data:," : address);

const { setAttribute } = Element.prototype;
Element.prototype.setAttribute = function (name, value) {
  setAttribute.call(this, name, ours(value));
};

const src = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
Object.defineProperty(HTMLImageElement.prototype, "src", {
  ...src,
  set(value) {
    src.set.call(this, ours(value));
  },
});
