/**
 * Tokens of payments, messaging, mail, shops and AI services: name, format (see vendor_tokens.ts).
 */
export const services = `
stripe_secret_key          sk_live_{a10-247}                           trufflehog:stripe
stripe_test_secret_key     sk_test_{a10-247}                           gitleaks:stripe-access-token
stripe_restricted_key      rk_live_{a10-247}                           trufflehog:stripe
stripe_test_restricted     rk_test_{a10-247}                           gitleaks:stripe-access-token
stripe_webhook_secret      whsec_{b32-64}                              seen:public-code
stripe_prod_key            sk_prod_{a10-247}                           gitleaks:stripe-access-token
square_access_token        sq0atp-{t22}                                gitleaks:square-access-token
square_oauth_secret        sq0csp-{t43}                                trufflehog:squareapp
square_token               EAAA{b60}                                   gitleaks:square-access-token
paypal_braintree_token     access_token$production\${l16}\${h32}
paypal_sandbox_token       access_token$sandbox\${l16}\${h32}
adyen_api_key              AQE{b100-400}
mollie_live_key            live_{a30-40}
mollie_test_key            test_{a30-40}
gocardless_token           live_{t40}                                  trufflehog:gocardless
plaid_access_token         access-production-{h8}-{h4}-{h4}-{h4}-{h12} gitleaks:plaid-api-token
plaid_sandbox_token        access-sandbox-{h8}-{h4}-{h4}-{h4}-{h12}    gitleaks:plaid-api-token
flutterwave_secret         FLWSECK_TEST-{l32}-X                        gitleaks:flutterwave-secret-key
flutterwave_live_secret    FLWSECK-{l32}-X                             trufflehog:flutterwave
razorpay_live_key          rzp_live_{a14-24}                           trufflehog:razorpay
razorpay_test_key          rzp_test_{a14-24}                           seen:public-code
coinbase_key               organizations/{h8}-{h4}-{h4}-{h4}-{h12}/apiKeys/{h8}-{h4}-{h4}-{h4}-{h12} trufflehog:coinbase
easypost_key               EZAK{a54}                                   gitleaks:easypost-api-token
easypost_test_key          EZTK{a54}                                   gitleaks:easypost-test-api-token
shippo_live_token          shippo_live_{h40}                           gitleaks:shippo-api-token
shippo_test_token          shippo_test_{h40}                           gitleaks:shippo-api-token
duffel_live_token          duffel_live_{t43}                           gitleaks:duffel-api-token
duffel_test_token          duffel_test_{t43}                           gitleaks:duffel-api-token
frameio_token              fio-u-{t64}                                 gitleaks:frameio-api-token
shopify_access_token       shpat_{H32}                                 gitleaks:shopify-access-token
shopify_custom_app_token   shpca_{H32}                                 gitleaks:shopify-custom-access-token
shopify_private_app_token  shppa_{H32}                                 gitleaks:shopify-private-app-access-token
shopify_shared_secret      shpss_{H32}                                 gitleaks:shopify-shared-secret
shopify_user_token         shpua_{H32}                                 seen:public-code
shopify_partner_token      prtapi_{H32}
slack_bot_token            xoxb-{d9-14}-{d9-14}-{a18-40}               gitleaks:slack-bot-token
slack_bot_legacy_token     xoxb-{d8-14}-{a18-40}                       gitleaks:slack-legacy-bot-token
slack_user_token           xoxp-{d9-14}-{d9-14}-{d9-14}-{a28-40}       gitleaks:slack-user-token
slack_enterprise_token     xoxe-{d1}-{a140-180}                        gitleaks:slack-config-refresh-token
slack_config_token         xoxe.xoxp-{d1}-{b140-200}                   gitleaks:slack-config-access-token
slack_config_bot_token     xoxe.xoxb-{d1}-{b140-200}                   gitleaks:slack-config-access-token
slack_legacy_token         xoxo-{d1-14}-{d1-14}-{d1-14}-{a10-40}       kingfisher:slack.2
slack_session_token        xoxs-{d1-14}-{d1-14}-{d1-14}-{a10-64}       kingfisher:slack.2
slack_workspace_token      xoxa-{a8-48}                                gitleaks:slack-legacy-workspace-token
slack_numbered_workspace   xoxa-{d1}-{a8-48}                           gitleaks:slack-legacy-workspace-token
slack_refresh_token        xoxr-{a8-48}                                gitleaks:slack-legacy-workspace-token
slack_client_token         xoxc-{d9-14}-{d9-14}-{d9-14}-{h64}
slack_cookie_token         xoxd-{x60-300}
slack_app_token            xapp-{d1}-{u8-14}-{d8-14}-{h32-80}          gitleaks:slack-app-token
slack_webhook              hooks.slack.com/services/T{u8-12}/B{u8-12}/{a23-25} gitleaks:slack-webhook-url
slack_workflow_webhook     hooks.slack.com/workflows/T{u8-12}/A{u8-12}/{d16-20}/{a23-25} gitleaks:slack-webhook-url
discord_webhook            discord.com/api/webhooks/{d17-20}/{t60-70}  kingfisher:discord.1
discord_app_webhook        discordapp.com/api/webhooks/{d17-20}/{t60-70}
teams_webhook              outlook.office.com/webhook/{h8}-{h4}-{h4}-{h4}-{h12}@{h8}-{h4}-{h4}-{h4}-{h12}/IncomingWebhook/{l32}/{h8}-{h4}-{h4}-{h4}-{h12} noseyparker:msteams.1
twilio_api_key             SK{l32}                                     trufflehog:twilioapikey
twilio_account_sid         AC{l32}
sendgrid_key               SG.{t22}.{t43}                              gitleaks:sendgrid-api-token
sendinblue_key             xkeysib-{h64}-{a16}                         gitleaks:sendinblue-api-token
sendinblue_smtp_key        xsmtpsib-{h64}-{a16}                        seen:public-code
mailgun_key                key-{l32}                                   trufflehog:mailgun
mailgun_public_key         pubkey-{h32}                                gitleaks:mailgun-pub-key
mailersend_token           mlsn.{h64}                                  seen:public-code
mandrill_key               md-{t22}                                    kingfisher:mandrill.1
resend_key                 re_{a8}_{a20-30}
klaviyo_key                pk_{h34}                                    trufflehog:klaviyo
hubspot_pat                pat-na1-{h8}-{h4}-{h4}-{h4}-{h12}           trufflehog:hubspot_apikey
hubspot_eu_pat             pat-eu1-{h8}-{h4}-{h4}-{h4}-{h12}           trufflehog:hubspot_apikey
facebook_token             EAA{a80-300}
facebook_page_token        EAAC{a80-300}                               gitleaks:facebook-page-access-token
instagram_token            IGQ{t80-300}
threads_token              THAA{t80-300}
linkedin_secret            WPL_AP1.{a16}.{b8}                          seen:public-code
linkedin_access_token      AQX{t150-400}
twitch_token               oauth:{l30}
mapbox_secret_token        sk.eyJ{t60-200}.{t22}                       noseyparker:mapbox.2
mapbox_public_token        pk.eyJ{t60-200}.{t22}                       noseyparker:mapbox.1
dropbox_short_token        sl.{t130-1400}                              noseyparker:dropbox.1
openai_key                 sk-{a20}T3BlbkFJ{a20}                       gitleaks:openai-api-key
openai_project_key         sk-proj-{a20}T3BlbkFJ{a20}                  trufflehog:openai
openai_long_project_key    sk-proj-{t74}T3BlbkFJ{t74}                  gitleaks:openai-api-key
openai_short_project_key   sk-proj-{t58}T3BlbkFJ{t58}                  gitleaks:openai-api-key
openai_service_key         sk-svcacct-{t58-74}T3BlbkFJ{t58-74}         trufflehog:openai
openai_admin_key           sk-admin-{t58-74}T3BlbkFJ{t58-74}           gitleaks:openai-api-key
openai_any_key             sk-proj-{t90-180}                           trufflehog:openai
openai_any_service_key     sk-svcacct-{t60-180}                        trufflehog:openai
openai_any_admin_key       sk-admin-{t60-180}                          trufflehog:openaiadmin
openai_plain_key           sk-{a48}                                    noseyparker:openai.1
anthropic_api_key          sk-ant-api03-{t93}AA                        gitleaks:anthropic-api-key
anthropic_admin_key        sk-ant-admin01-{t93}AA                      gitleaks:anthropic-admin-api-key
anthropic_oauth_token      sk-ant-oat01-{t80-110}                      seen:public-code
anthropic_any_key          sk-ant-{t24-150}                            gitleaks:anthropic-api-key
openrouter_key             sk-or-v1-{h64}                              trufflehog:openrouter
langsmith_pat              lsv2_pt_{h32}_{h10}                         trufflehog:langsmith
langsmith_service_key      lsv2_sk_{h32}_{h10}                         trufflehog:langsmith
langfuse_secret_key        sk-lf-{h8}-{h4}-{h4}-{h4}-{h12}             trufflehog:langfuse
huggingface_token          hf_{a34-40}                                 trufflehog:huggingface
huggingface_org_token      api_org_{a34}                               trufflehog:huggingface
replicate_token            r8_{t37}                                    trufflehog:replicate
groq_key                   gsk_{a52}                                   trufflehog:groq
xai_key                    xai-{a80}                                   trufflehog:xai
perplexity_key             pplx-{a48-56}                               gitleaks:perplexity-api-key
deepseek_key               sk-{h32}                                    trufflehog:deepseek
elevenlabs_key             sk_{h48}                                    trufflehog:elevenlabs
fireworks_key              fw_{a22-24}
together_key               tgp_v1_{t43}                                seen:public-code
stability_key              sk-{a48-51}
nvidia_key                 nvapi-{t60-70}                              trufflehog:nvapi
pinecone_key               pcsk_{a5-6}_{a60-66}                        trufflehog:pinecone
weights_biases_key         wandb_v1_{t40-100}                           seen:public-code
tavily_key                 tvly-{t32-45}                               noseyparker:tavily.1
firecrawl_key              fc-{h32}                                    noseyparker:firecrawl.1
jina_key                   jina_{t50-70}                               noseyparker:jina.1
voyage_key                 pa-{t43}
defined_networking_token   dnkey-{t26}-{t52}                           gitleaks:defined-networking-api-token
adafruit_key               aio_{a28}                                   trufflehog:adafruitio
clickhouse_cloud_secret    4b1d{a38}                                   gitleaks:clickhouse-cloud-api-secret-key
courier_key                pk_prod_{u28}                               kingfisher:courier.1
courier_test_key           pk_test_{u28}                               kingfisher:courier.1
stripe_restricted_prod     rk_prod_{a10-247}                           gitleaks:stripe-access-token
flutterwave_encryption_key FLWSECK_TEST-{l12}                          gitleaks:flutterwave-encryption-key
slack_bot_any_token        xoxb-{d9-14}-{t16-200}                      gitleaks:slack-bot-token
slack_numbered_refresh     xoxr-{d1}-{a8-48}                           gitleaks:slack-legacy-workspace-token
slack_export_token         xoxe-{d10-13}-{d10-13}-{d10-13}-{t28-34}    gitleaks:slack-user-token
twilio_upper_api_key       SK{H32}                                     gitleaks:twilio-api-key
teams_incoming_webhook     webhook.office.com/webhookb2/{h8}-{h4}-{h4}-{h4}-{h12}@{h8}-{h4}-{h4}-{h4}-{h12}/IncomingWebhook/{l32}/{h8}-{h4}-{h4}-{h4}-{h12} trufflehog:microsoftteamswebhook
teams_workflow_webhook     logic.azure.com:443/workflows/{h32}/triggers/manual/paths/invoke?api-version={x10-12}&sp={x5-40}&sv=1.0&sig={t43}
clickup_key                pk_{d5-9}_{u32}                             trufflehog:clickuppersonaltoken
voiceflow_key              VF.DM.{h24}.{a16-60}                        trufflehog:voiceflow
telnyx_key                 KEY{H32}_{t22}                              trufflehog:telnyx
zapier_webhook             hooks.zapier.com/hooks/catch/{l4-30}        trufflehog:zapierwebhook
zapier_numbered_webhook    hooks.zapier.com/hooks/catch/{d4-10}/{l4-20} trufflehog:zapierwebhook
slack_webhook_url          hooks.slack.com/services/{c43-56}           gitleaks:slack-webhook-url
slack_workflow_url         hooks.slack.com/workflows/{c43-56}          gitleaks:slack-webhook-url
slack_trigger_url          hooks.slack.com/triggers/{c43-56}           gitleaks:slack-webhook-url
onfido_token               api_live.{t11}.{t32}
onfido_ca_token            api_live_ca.{t11}.{t32}
onfido_us_token            api_live_us.{t11}.{t32}
slack_any_webhook          hooks.slack.com/services/T{a8-12}/B{a8-12}/{a20-30} gitleaks:slack-webhook-url
xai_any_key                xai-{t70-90}                                trufflehog:xai
`
