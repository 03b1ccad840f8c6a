"use strict";

// The token of this tab, so that one login serves the pages of several resource types. The password is never kept.
const KEY = "fhir-lab-token";

const rememberToken = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorizeOauth2: (original) => (payload) => {
          sessionStorage.setItem(KEY, payload.token.access_token);
          return original(payload);
        },
        authorize: (original) => (payload) => {
          if (payload.token) sessionStorage.setItem(KEY, payload.token.value);
          return original(payload);
        },
        logout: (original) => (payload) => {
          sessionStorage.removeItem(KEY);
          return original(payload);
        },
      },
    },
  },
});

window.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("swagger-ui");
  const ui = SwaggerUIBundle({
    url: root.dataset.document,
    domNode: root,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [rememberToken],
    onComplete: () => {
      const token = sessionStorage.getItem(KEY);
      if (token) ui.preauthorizeApiKey("token", token);
    },
  });
});
