"""The addresses of the backoffice beside those of Django's admin and of models: logging in, accounts and colleagues."""

from django.urls import URLPattern, path

from orders_project.sign_on import views
from orders_project.staff import account_pages, code_step, colleague_pages, links
from orders_project.staff.protected_site import ProtectedSite


def staff_urls(site: ProtectedSite) -> list[URLPattern]:
    of_account = [
        path("account/security/", site.admin_view(account_pages.security), name="account"),
        path("account/act/", site.admin_view(account_pages.act), name="account_act"),
        path("account/two-factor/", site.while_missing(account_pages.two_factor), name="two_factor"),
    ]
    of_colleagues = [
        path("staff/", site.admin_view(colleague_pages.colleagues), name="colleagues"),
        path("staff/add/", site.admin_view(colleague_pages.add), name="colleague_add"),
        path("staff/<str:user_id>/change/", site.admin_view(colleague_pages.colleague), name="colleague"),
        path("staff/<str:user_id>/act/", site.admin_view(colleague_pages.act), name="colleague_act"),
    ]
    return [
        path("sign-on/", views.sign_on, name="sign_on"),
        path("sign-on/callback/", views.callback, name="sign_on_callback"),
        path("login/code/", code_step.ask_for_code, name="second_factor"),
        path("set-password/<uidb64>/<token>/", links.SetPassword.as_view(), name="set_password"),
        *of_account,
        *of_colleagues,
    ]
