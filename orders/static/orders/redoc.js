// ReDoc shows its maker's logo from another site, which would learn of each visit. Without it, its page needs no other.
const set = Element.prototype.setAttribute;
Element.prototype.setAttribute = function (name, value) {
  set.call(this, name, String(value).startsWith("https://cdn.redoc.ly/") ? "data:," : value);
};
