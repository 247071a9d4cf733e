from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from bandpics.account import deletion, email, keys, passwords, profile, sessions, sign_in, sign_up

urlpatterns = [
    path("login/", sign_in.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("signup/", sign_up.sign_up, name="sign-up"),
    path("language/", profile.choose_language, name="choose-language"),
    path("account/", profile.account, name="account"),
    path("account/email/", email.change_email, name="change-email"),
    path("account/email/<str:token>/", email.confirm_email, name="confirm-email"),
    path("account/password/", passwords.change_password, name="change-password"),
    path("account/password/forgotten/", passwords.forgotten_password, name="forgotten-password"),
    path(
        "account/password/reset/<str:uidb64>/<str:token>/",
        passwords.ResetPassword.as_view(),
        name="reset-password",
    ),
    path("account/keys/", keys.api_keys_page, name="api-keys"),
    path("account/keys/<slug:prefix>/revoke/", keys.revoke_key, name="revoke-key"),
    path("account/sessions/", sessions.sessions_page, name="sessions"),
    path("account/sessions/end/", sessions.end_sessions, name="end-sessions"),
    path("account/delete/", deletion.delete_account, name="delete-account"),
]
