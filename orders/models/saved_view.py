"""What people keep of the backoffice's list of orders: views under a name, and the columns that they want to see."""

from bson import ObjectId
from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.fields import ArrayField


class SavedView(models.Model):
    """An address of the list under a name: its filters, search, order and columns.

    :ivar query: the parameters, as they stand in an address; read anew each time, as if somebody had typed them.
    :ivar shared: everybody who sees the list has it among their views.
    """

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    owner_id: ObjectId
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000, blank=True)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "saved_views"
        default_permissions = ()
        verbose_name, verbose_name_plural = _("saved view"), _("saved views")
        permissions = [("share_views", "Can share saved views of the order list")]
        indexes = [models.Index(fields=["shared", "name"], name="view_shared")]

    def __str__(self) -> str:
        return self.name


class ListColumns(models.Model):
    """The columns of the list that somebody has chosen, by the names that the list knows them by."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    """A plain reference: an index that keeps it unique would not be used to find it."""
    names = ArrayField(models.CharField(max_length=40), default=list)

    class Meta:
        db_table = "list_columns"
        default_permissions = ()

    def __str__(self) -> str:
        return ", ".join(self.names)
